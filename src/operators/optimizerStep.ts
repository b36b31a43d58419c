// The parts of an optimizer step, each in one call for many tensors, most of which are small.
import * as torch from "../torch/index.js";
import { usesKernel } from "./choose.js";

const KERNEL = { isTwiceDifferentiable: true };

type Tensors = readonly torch.Tensor[];

const servesAll = (tensors: Tensors): boolean => tensors.every((tensor) => usesKernel(KERNEL, tensor));

/** The norm of all tensors, concatenated to one vector: a float64 scalar. */
export function totalNorm(tensors: Tensors): torch.Tensor {
  if (servesAll(tensors)) return torch.totalNorm(tensors);
  const squares = tensors.map((tensor) => torch.sum(torch.square(torch.castTo(tensor, "float64"))));
  return torch.sqrt(torch.sum(torch.stack(squares)));
}

/** New tensors, each multiplied by `factor`. */
export function scaled(tensors: Tensors, factor: number): Tensors {
  return servesAll(tensors) ? torch.scaled(tensors, factor) : torch.foreachMulScalar(tensors, factor);
}

/** The tensors that AdamW updates in place: parameters and both their moments. */
interface AdamWTensors {
  readonly parameters: Tensors;
  readonly gradients: Tensors;
  readonly means: Tensors;
  readonly meanSquares: Tensors;
}

interface AdamWNumbers {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly weightDecay: number;
  readonly epsilon: number;
}

/** One AdamW step in place. @param step its number, from 1 */
export function adamw(tensors: AdamWTensors, step: number, numbers: AdamWNumbers): void {
  const { parameters, gradients, means, meanSquares } = tensors;
  if (servesAll(parameters)) {
    torch.adamw_(parameters, gradients, means, meanSquares, step, numbers);
    return;
  }
  torch.noGrad(() =>
    torch.scope(() => {
      for (const [i, parameter] of parameters.entries()) {
        const [gradient, mean, meanSquare] = [gradients[i], means[i], meanSquares[i]] as TensorsOfOne;
        stepOne(parameter, gradient, mean, meanSquare, step, numbers);
      }
    }),
  );
}

type TensorsOfOne = [torch.Tensor, torch.Tensor, torch.Tensor];

function stepOne(
  parameter: torch.Tensor,
  gradient: torch.Tensor,
  mean: torch.Tensor,
  meanSquare: torch.Tensor,
  step: number,
  { lr, beta1, beta2, weightDecay, epsilon }: AdamWNumbers,
): void {
  torch.mulScalar_(parameter, 1 - lr * weightDecay);
  torch.lerp_(mean, gradient, 1 - beta1);
  torch.add_(torch.mulScalar_(meanSquare, beta2), torch.square(gradient), { alpha: 1 - beta2 });
  const root = torch.divScalar(torch.sqrt(meanSquare), Math.sqrt(1 - beta2 ** step));
  const update = torch.div(mean, torch.addScalar(root, epsilon));
  torch.add_(parameter, update, { alpha: -lr / (1 - beta1 ** step) });
}

// What an optimiser's step does to many tensors, most of them small: one call for all.
import * as torch from "../torch/index.js";
import { usesKernel } from "./choose.js";

const KERNEL = { isTwiceDifferentiable: true };

type Tensors = readonly torch.Tensor[];

const servesAll = (tensors: Tensors): boolean => tensors.every((tensor) => usesKernel(KERNEL, tensor));

/** The norm of all tensors together, as one vector: a float64 scalar. */
export function totalNorm(tensors: Tensors): torch.Tensor {
  if (servesAll(tensors)) return torch.totalNorm(tensors);
  const squares = tensors.map((tensor) => torch.sum(torch.square(torch.castTo(tensor, "float64"))));
  return torch.sqrt(torch.sum(torch.stack(squares)));
}

/** New tensors, each multiplied by `factor`. */
export function scaled(tensors: Tensors, factor: number): Tensors {
  return servesAll(tensors) ? torch.scaled(tensors, factor) : torch.foreachMulScalar(tensors, factor);
}

/** What AdamW changes in place: tensors and both their moments. */
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
  const { lr, beta1, beta2, weightDecay, epsilon: eps } = numbers;
  torch.scope(() => {
    for (const [i, parameter] of parameters.entries()) {
      const count = torch.full([], step, { dtype: "float32", device: parameter.device });
      const own = [[parameter], [gradients[i]], [means[i]], [meanSquares[i]]] as unknown as [
        Tensors,
        Tensors,
        Tensors,
        Tensors,
      ];
      const options = { lr, beta1, beta2, weightDecay, eps, amsgrad: false, maximize: false };
      torch.noGrad(() => torch.fusedAdamw_(...own, [], [count], options));
    }
  });
}

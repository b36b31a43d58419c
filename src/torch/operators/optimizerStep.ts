// The parts of an optimizer step, each in one call for many tensors, most of which are small.
import * as torch from "../index.js";
import { usesKernel } from "./choose.js";

type Tensors = readonly torch.Tensor[];

const servesAll = (tensors: Tensors): boolean => tensors.every((tensor) => usesKernel(tensor));

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

/** The numbers of an AdamW step. */
export interface AdamWNumbers {
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
  torch.noGrad(() => torch.scope(() => stepFused(tensors, step, numbers)));
}

/** libtorch's own step. It takes contiguous tensors only. */
function stepFused({ parameters, gradients, means, meanSquares }: AdamWTensors, step: number, numbers: AdamWNumbers) {
  const [any] = parameters;
  if (!any) return;
  const count = torch.full([], step, { dtype: "float32", device: any.device });
  const steps = parameters.map(() => count);
  const { epsilon: eps, ...rates } = numbers;
  const options = { ...rates, eps, amsgrad: false, maximize: false };
  const contiguous = (tensors: Tensors) => tensors.map((tensor) => torch.contiguous(tensor));
  const [values, first, second] = [contiguous(parameters), contiguous(means), contiguous(meanSquares)];
  torch.fusedAdamw_(values, contiguous(gradients), first, second, [], steps, options);
  copyBack(parameters, values);
  copyBack(means, first);
  copyBack(meanSquares, second);
}

/** A tensor that was contiguous is its own copy, and copying it to itself does nothing. */
function copyBack(tensors: Tensors, copies: Tensors): void {
  for (const [i, tensor] of tensors.entries()) torch.copy_(tensor, copies[i]!);
}

import { native } from "./native.js";
import { Tensor } from "./tensor.js";

/**
 * Runs a part of a forward pass without keeping what its gradients need: that is computed anew in the backward pass, by the same
 * operator calls with the same arguments, so that gradients have the same bits. Nothing in `body` may write to a tensor or draw
 * random numbers of libtorch's. What it gives has no second derivative; a recorded tape has it as one call, `checkpoint`. Within
 * another such part and under `noGrad` it is run as it is.
 */
export function checkpoint<T extends Tensor | readonly Tensor[]>(body: () => T): T {
  if (!native.startPart()) return body();
  let outputs: T;
  try {
    outputs = body();
  } catch (error) {
    native.stopPart([]);
    throw error;
  }
  const given: readonly Tensor[] = outputs instanceof Tensor ? [outputs] : outputs;
  const made = native.stopPart(given.map(({ handle }) => handle));
  const results = given.map((output, i) => {
    const handle = made[i] ?? null;
    return handle === null ? output : new Tensor(handle);
  });
  return (outputs instanceof Tensor ? results[0] : results) as T;
}

// Grad mode, gradients and gradient checkpointing.
import { native } from "./native/native.js";
import { handlesOf, Tensor, tensorOf } from "./tensor.js";

function withGrad<T>(enabled: boolean, body: () => T): T {
  const before = native.setGradEnabled(enabled);
  try {
    return body();
  } finally {
    native.setGradEnabled(before);
  }
}

/** Runs `body` without recording operations for differentiation. */
export function noGrad<T>(body: () => T): T {
  return withGrad(false, body);
}

/** Runs `body` with recording enabled, even inside `noGrad`. */
export function enableGrad<T>(body: () => T): T {
  return withGrad(true, body);
}

/** Options of a backward pass. */
export type BackwardOptions = {
  /** Gradient of the output; required if it has more than one element. */
  readonly gradient?: Tensor;
  /** Keeps the graph for another pass; defaults to `createGraph`. */
  readonly retainGraph?: boolean;
  /** Records the backward pass itself, for second derivatives. */
  readonly createGraph?: boolean;
};

/** Accumulates the gradients of `output` into the `grad` of the leaves that require one. */
export function backward(output: Tensor, options: BackwardOptions = {}): void {
  const create = options.createGraph ?? false;
  native.backward(
    [output.handle],
    options.gradient ? [options.gradient.handle] : [],
    options.retainGraph ?? create,
    create,
  );
}

/** Options of `grad`. */
export type GradOptions = {
  readonly gradOutputs?: readonly (Tensor | undefined)[];
  readonly retainGraph?: boolean;
  readonly createGraph?: boolean;
  /** Returns undefined for inputs that the outputs do not depend on, instead of throwing. */
  readonly allowUnused?: boolean;
};

/** The gradients of the sum of `outputs`, weighted by `gradOutputs`, with respect to each of `inputs`. */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions = {},
): (Tensor | undefined)[] {
  const create = options.createGraph ?? false;
  const gradients = native.grad(
    handlesOf(outputs),
    handlesOf(inputs),
    (options.gradOutputs ?? []).map((tensor) => tensor?.handle ?? null),
    options.retainGraph ?? create,
    create,
    options.allowUnused ?? false,
  );
  return gradients.map(tensorOf);
}

/**
 * Runs a part of a forward pass without keeping its intermediate results (gradient checkpointing). The backward pass recomputes them by
 * the same operator calls with the same arguments, so that gradients are bitwise the same. `body` must not write to tensors or draw
 * random numbers from libtorch. The results have no second derivative. A recorded tape has the part as one call, `checkpoint`. Within
 * another such part and under `noGrad`, `body` simply runs.
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
  const made = native.stopPart(handlesOf(given));
  const results = given.map((output, i) => tensorOf(made[i] ?? null) ?? output);
  return (outputs instanceof Tensor ? results[0] : results) as T;
}

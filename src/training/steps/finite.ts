// Losses and gradients that are not finite: the check, and which module of the model is the cause.

import { BidoraError } from "../../base/index.js";
import { EVALUATION, type Module } from "../../models/nn/index.js";
import * as torch from "../../torch/index.js";
import { totalNorm } from "../../torch/optim/index.js";
import type { StepLoss } from "./batchGradients.js";
import { MiniBatches } from "./gradientCache.js";

/** What may keep losses and gradients finite. */
export const SMALLER_STEPS = "take a smaller --learning-rate, or --max-grad-norm 1, or --dtype float32 in a new run";

/** Gradients of a whole step, all of them finite. */
export interface FiniteGradients {
  readonly tensors: readonly torch.Tensor[];
  /** The norm of all gradients together. */
  readonly norm: number;
}

/**
 * @param what their name in the message
 * @throws BidoraError LOSS_NOT_FINITE
 */
export function checkGradients(tensors: readonly torch.Tensor[], what = "gradient"): FiniteGradients {
  return { tensors, norm: finiteLoss(totalNorm(tensors), `${what}'s norm`) };
}

/** Returns a finite loss. @throws BidoraError `LOSS_NOT_FINITE` before it can change a tensor */
export function finiteLoss(value: number, what = "loss"): number {
  if (Number.isFinite(value)) return value;
  throw new BidoraError("LOSS_NOT_FINITE", {
    finding: `The ${what} is ${Number.isNaN(value) ? "not a number" : "infinite"}`,
    advice: `${SMALLER_STEPS}, or skip such batches by --on-nonfinite skip`,
  });
}

/** Adds to the error of a loss that is not finite which module of the model is the cause, if this rank's rows show it. */
export function namingModule(error: unknown, { task, model, batches }: StepLoss): unknown {
  if (!(error instanceof BidoraError)) return error;
  const path = nonFiniteModule(model, () => {
    for (const { own } of batches.shares)
      if (own) torch.scope(() => void new MiniBatches(task, model, own, EVALUATION).loss());
  });
  if (path === undefined) return error;
  const finding = `${error.parts.finding}; ${path} is the first module whose output is not finite`;
  return new BidoraError(error.code, { ...error.parts, finding }, { cause: error });
}

/**
 * Repeats a forward pass whose result is not finite.
 * @returns the path of the first module whose output is not finite; undefined if all are
 */
function nonFiniteModule(model: Module, forward: () => void): string | undefined {
  let found: string | undefined;
  const restore = wrapForwards(model, (path, module) => {
    const output = module();
    if (found === undefined && isBroken(output)) found = path;
    return output;
  });
  try {
    torch.noGrad(() => torch.scope(forward));
  } catch {
    // What failed once may fail again: what was found until then counts.
  } finally {
    restore();
  }
  return found;
}

function isBroken(output: unknown): boolean {
  return output instanceof torch.Tensor && /^(float|bfloat)/.test(output.dtype) && !torch.isAllFinite(output);
}

/** Puts `around` in the place of each module's forward pass. A module's parts come before it. @returns a function that ends it */
export function wrapForwards(model: Module, around: (path: string, forward: () => unknown) => unknown): () => void {
  const restores: (() => void)[] = [];
  for (const [path, module] of model.namedModules()) {
    const target = module as Module & { forward?: (...args: readonly unknown[]) => unknown };
    const forward = target.forward?.bind(module);
    if (!forward || path === "") continue;
    const own = Object.getOwnPropertyDescriptor(target, "forward");
    target.forward = (...args) => around(path, () => forward(...args));
    restores.push(() =>
      own ? Object.defineProperty(target, "forward", own) : Reflect.deleteProperty(target, "forward"),
    );
  }
  return () => {
    for (const restore of restores) restore();
  };
}

import type { CallContext } from "../../base/index.js";
import type { EncodedExample } from "../../tasks/index.js";
import type { PassOptions } from "../evaluation/batches.js";
import { withStartOutputs } from "../evaluation/predictRows.js";
import type { InferenceModel } from "./open.js";

/**
 * The rows of a task that compares with the model before training, with the base model's outputs as `startOutputs`; those of another task
 * as they are. A note says which model the reference is.
 */
export async function referenceRows(
  open: InferenceModel,
  rows: readonly EncodedExample[],
  options: PassOptions,
  { onNote }: CallContext,
): Promise<readonly EncodedExample[]> {
  if (!options.task.comparesWithStart) return rows;
  onNote?.(
    open.adapter
      ? "The reference is the base model without the adapter. A run that continued an adapter, or began with LoftQ, had that start as its reference instead."
      : "No adapter is given, so the model is its own reference: rewards are 0 and say nothing about what it has learned.",
  );
  return open.withBase((base) => withStartOutputs(base, rows, options));
}

import type { CallContext } from "../../base/index.js";
import type { EncodedExample } from "../../tasks/index.js";
import { type PassOptions, withStartOutputs } from "../evaluation/evaluateRows.js";
import type { InferenceModel } from "./open.js";

/**
 * The rows of a task that compares with a model before training, with the outputs of this one as `startOutputs`: of the base model. The
 * rows of another task as they are. A note says which model it is.
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
      ? "The reference is the base model without the adapter. That of a run which continued an adapter, or began with LoftQ, was that start."
      : "No adapter is given, so the model is its own reference: rewards are 0 and say nothing of what it has learned.",
  );
  return open.withBase((base) => withStartOutputs(base, rows, options));
}

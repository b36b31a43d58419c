// What a run tells its user once model and data are read.

import type { CallContext } from "../../base/index.js";
import { type AdaptedModel, whyNotPeft } from "../../models/adapters/index.js";
import { isTooCoarse, type RunConfig, upperFacts, upperOf } from "../../tasks/config/index.js";
import type { EncodedSplits } from "../../tasks/datasets/index.js";
import type { Task, TrainedHead } from "../../tasks/index.js";
import { noteWithoutLoss, usedRows } from "../../use/evaluation/index.js";

/** @throws BidoraError `NO_LOSS` if no row of a split counts in the loss */
export function noteRowsWithoutLoss(task: Task, data: EncodedSplits, { onNote }: CallContext): void {
  const evaluated = task.takesTrainOn
    ? ({ validation: data.validation, test: data.test, "held-out": data.holdout } as const)
    : {};
  for (const [what, rows] of Object.entries({ training: data.train, "upper level's": data.upper, ...evaluated })) {
    const note = rows && noteWithoutLoss(task, rows, what);
    if (note !== undefined) onNote?.(note);
  }
}

/** The splits without the rows that the task leaves out. @throws BidoraError `NO_LOSS` if none of the training rows are left */
export function withoutLeftOut(task: Task, data: EncodedSplits, context: CallContext): EncodedSplits {
  const { isLeftOut } = task;
  if (!isLeftOut) return data;
  const kept = Object.entries(data).map(([split, rows]) => [split, rows && usedRows(task, rows, split, context)]);
  return Object.fromEntries(kept) as EncodedSplits;
}

export function noteHead(initialized: readonly string[], own: TrainedHead | undefined, { onNote }: CallContext): void {
  if (initialized.length === 0) return;
  const why = own ? "the checkpoint's does not fit the labels" : "the checkpoint has none";
  onNote?.(`Initialized a new head (${initialized.join(", ")}) from the seed: ${why}.`);
}

interface Noted {
  readonly config: RunConfig;
  readonly adapted: AdaptedModel;
}

/** Notes on the settings, once model and data are known. */
export function noteSettings(prepared: Noted, context: CallContext): void {
  noteNotForPeft(prepared, context);
  const { hypergradient, dtype } = prepared.config;
  const group = upperOf(prepared.config);
  if (group && !upperFacts(group).isExplicit && isTooCoarse(hypergradient, dtype))
    context.onNote?.(
      `--hypergradient ${hypergradient} loses accuracy in ${dtype}: use exact, or --dtype float32; \`bidora verify-hypergradient\` measures it.`,
    );
}

/** An adapter whose method PEFT lacks can be used there only after merging it, if that is possible. */
function noteNotForPeft({ adapted }: Noted, { onNote }: CallContext): void {
  const why = adapted.config && whyNotPeft(adapted.config);
  if (!why) return;
  const isMerged = adapted.modules.every(({ adapter, layer }) => adapter.whyNotMerged(layer) === undefined);
  onNote?.(`${why}${isMerged ? ": `bidora merge` turns the result into a plain model" : ""}.`);
}

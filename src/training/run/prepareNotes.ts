// What a run tells its user once model and data are read.

import type { CallContext } from "../../base/index.js";
import { type AdaptedModel, whyNotPeft } from "../../models/adapters/index.js";
import { isTooCoarse, type RunConfig, upperFacts, upperOf } from "../../tasks/config/index.js";
import type { EncodedSplits, TaskChoice } from "../../tasks/datasets/index.js";
import type { Task, TrainedHead } from "../../tasks/index.js";
import type { Ranks } from "../../torch/index.js";
import { noteWithoutLoss, usedRows } from "../../use/evaluation/index.js";

/** @throws BidoraError `NO_LOSS` if no row of a split counts in the loss */
export function noteRowsWithoutLoss(task: Task, data: EncodedSplits, { onNote }: CallContext): void {
  const { train: training, upper, validation, test, holdout } = data;
  const splits = { training, "upper level's": upper, validation, test, "held-out": holdout };
  for (const [what, rows] of Object.entries(splits)) {
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
  readonly data: EncodedSplits;
  readonly choice: TaskChoice;
  readonly ranks: Pick<Ranks, "size">;
}

/** Notes on the settings, once model and data are known. */
export function noteSettings(prepared: Noted, context: CallContext): void {
  noteNotForPeft(prepared, context);
  noteNeverTaken(prepared, context);
  const { hypergradient, dtype } = prepared.config;
  const group = upperOf(prepared.config);
  if (group && !upperFacts(group).isExplicit && isTooCoarse(hypergradient, dtype))
    context.onNote?.(
      `--hypergradient ${hypergradient} loses accuracy in ${dtype}: use exact, or --dtype float32; \`bidora verify-hypergradient\` measures it.`,
    );
}

/** A task that arranges its rows has whole steps of them in one order, so that each pass leaves out the same rest. */
function noteNeverTaken({ config, data, choice, ranks }: Noted, { onNote }: CallContext): void {
  if (!choice.task.arranged || (upperOf(config) && config.retrainSteps === 0)) return;
  const { batchSize, gradientAccumulation, upperRowsInRetrain } = config;
  const rows = data.train.length + (upperRowsInRetrain ? (data.upper?.length ?? 0) : 0);
  const ofStep = batchSize * gradientAccumulation * ranks.size;
  const left = rows % ofStep;
  if (left > 0 && left < rows)
    onNote?.(
      `${left} of ${rows} training rows are never trained on: the loss takes whole steps of ${ofStep} rows, in each pass the same ones; a --batch-size that divides ${rows} leaves none out.`,
    );
}

/** An adapter whose method PEFT lacks can be used there only after merging it, if that is possible. */
function noteNotForPeft({ adapted }: Noted, { onNote }: CallContext): void {
  const why = adapted.config && whyNotPeft(adapted.config);
  if (!why) return;
  const isMerged = adapted.modules.every(({ adapter, layer }) => adapter.whyNotMerged(layer) === undefined);
  onNote?.(`${why}${isMerged ? ": `bidora merge` turns the result into a plain model" : ""}.`);
}

import { UsageError } from "../common/errors.js";
import { type EvaluateSettings, evaluateOptions, flagOf, resolveSettings, type Settings } from "../config/index.js";
import type { HubOptions } from "../io/hub/snapshot.js";
import { packLinears } from "../nn/index.js";
import {
  askedTask,
  encodeRows,
  isNamedFolder,
  maxLengthOf,
  type NamedTask,
  positiveOf,
  readLabelled,
  type TaskChoice,
  taskOf,
  usedLabels,
  usualColumns,
} from "../tasks/index.js";
import { computeDtype, setThreads } from "../torch/index.js";
import { namingBadWeights, weightsOf } from "../train/badWeights.js";
import { evaluateRows } from "../train/evaluation.js";
import type { Metrics } from "../train/events.js";
import { noteWithoutLoss } from "../train/withoutLoss.js";
import { type OpenModel, openModel } from "./openModel.js";

/** What a call can say beside the settings. */
export interface InferenceHooks {
  readonly signal?: AbortSignal;
  /** Notes for people, and the progress of downloads. */
  readonly hub?: HubOptions;
  /** A task of one's own, in the place of one that the settings name. */
  readonly task?: NamedTask;
}

/** What `evaluate` found. */
export interface EvaluateResult {
  readonly metrics: Metrics;
  /** Rows that were judged. */
  readonly rows: number;
}

/**
 * The task's metrics of a model, with its adapter if one is given, on labelled rows.
 * @throws UsageError for what is missing, BidoraError for what does not fit
 */
export async function evaluate(
  given: EvaluateSettings,
  { signal, hub, task }: InferenceHooks = {},
): Promise<EvaluateResult> {
  const settings = resolveSettings(evaluateOptions, given);
  const { data, split, batchSize } = settings;
  if (data === undefined)
    throw new UsageError("--data is missing: give a file with labelled rows, or a named data set's folder.");
  const named = askedTask(settings.task, task);
  refuseIdle(settings.given, data, named);
  const open = await openForUse(settings, named, hub);
  const choice = named ?? taskOf(open.kind);
  const columns = { ...settings, ...usualColumns(open.side) };
  const dataset = await readLabelled(choice, data, split, columns);
  const labels = usedLabels(choice, dataset, open.labels);
  const rows = await encodeRows(choice.task, dataset.examples, open.tokenizer, {
    labels,
    maxLength: lengthFor(settings, open),
    trainOn: settings.trainOn ?? open.side?.trainOn,
    model: open.model.config,
  });
  const note = choice.task.takesTrainOn ? noteWithoutLoss(choice.task, rows, "evaluation") : undefined;
  if (note !== undefined) hub?.onNote?.(note);
  const measured = {
    task: choice.task,
    labels: open.labels,
    batchSize,
    metrics: choice.metrics,
    positive: positiveOf(choice, labels),
    signal,
  };
  const { metrics } = await namingBadWeights(
    () => ({ folder: open.folder, weights: weightsOf(open.model) }),
    () => evaluateRows(open.model, rows, measured),
  );
  return { metrics, rows: dataset.examples.length };
}

/**
 * A named data set's folder has splits, a file has columns to name.
 * @throws UsageError for the one where there is the other
 */
function refuseIdle(given: object, data: string, task: TaskChoice | undefined): void {
  const isFolder = task !== undefined && isNamedFolder(task, data);
  const idle = isFolder ? (["textColumns", "labelColumn"] as const) : (["split"] as const);
  const found = idle.find((key) => key in given);
  if (found === undefined) return;
  const only = isFolder ? "on a file of rows" : "on a named data set's folder";
  throw new UsageError(`No effect here: ${flagOf(found)} (acts only ${only}, not on ${data}); leave it out.`);
}

/** What `evaluate` and `predict` have in common: the model in the right dtype, on the right number of threads, packed. */
export async function openForUse(
  settings: Pick<Settings<typeof evaluateOptions>, "model" | "revision" | "adapter" | "dtype" | "threads">,
  task: NamedTask | undefined,
  hub: HubOptions | undefined,
): Promise<OpenModel> {
  const { model, revision, adapter, dtype, threads } = settings;
  if (threads !== undefined) setThreads(threads);
  const open = await openModel({ model, revision, adapter, task, dtype: computeDtype(dtype), ...(hub && { hub }) });
  packLinears(open.model);
  return open;
}

/** `--max-length` if given, else what the model was trained with, within what the model takes. */
export function lengthFor(
  { maxLength, given }: { readonly maxLength: number; readonly given: object },
  open: OpenModel,
): number {
  const isGiven = "maxLength" in given;
  const wanted = isGiven ? maxLength : (open.side?.maxLength ?? maxLength);
  return maxLengthOf(wanted, isGiven, open.tokenizer, open.model.config.maxTokens);
}

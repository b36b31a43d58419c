// What an adapter's metrics are read against: the base model's own, or those of one answer to every row.
import { BidoraError } from "../../base/index.js";
import type { Metrics } from "../../base/records/index.js";
import { findAdapterMetadata } from "../../models/adapters/index.js";
import type { Dataset, LabelMap } from "../../tasks/data/index.js";
import { labelsForInference, positiveOf, type TaskChoice } from "../../tasks/datasets/index.js";
import { type ConstantPredictor, type EncodedExample, resolveHead } from "../../tasks/index.js";
import { type Interval, pairedDifference, score } from "../../tasks/metrics/parts/index.js";
import type { InferenceModel } from "./open.js";

/** What the outputs of a model's head mean, and the rows that are encoded for it. */
export interface HeadRows {
  readonly labels: LabelMap | undefined;
  readonly names: readonly string[];
  readonly rows: readonly EncodedExample[];
}

/** The metrics of a baseline, and of a task whose predictions are right or wrong, which of its rows are right. */
export interface Baseline {
  readonly of: "base" | "majority";
  readonly metrics: Metrics;
  readonly right: readonly boolean[];
  /** What the baseline is, in a sentence, if that has to be said. */
  readonly note?: string;
}

/** The rows that a model got right before and after a change. */
export interface RowChanges extends Interval {
  /** Wrong before, right after. */
  readonly fixed: number;
  /** Right before, wrong after. */
  readonly broken: number;
}

/**
 * The base model's own head and the rows for it, where the checkpoint has a trained head that knows the labels of the rows; undefined if the
 * adapter's head is a new one.
 * @param own the adapter's
 * @param rowsFor encodes the rows with labels in the head's order
 */
export async function baseHead(
  open: InferenceModel,
  choice: TaskChoice,
  dataset: Dataset,
  own: HeadRows,
  rowsFor: (labels: LabelMap | undefined) => Promise<HeadRows["rows"]>,
): Promise<HeadRows | undefined> {
  const { architecture, checkpointConfig, folder, initialized, kind, task, labels: outputs } = open;
  if (initialized.length > 0) return undefined;
  try {
    const alone = { adapter: undefined, metadata: findAdapterMetadata(folder) };
    const found = resolveHead(architecture, checkpointConfig, alone, { kind, task });
    if (found.labels.length !== outputs.length) return undefined;
    const labels = labelsForInference(choice, dataset, found.labels);
    const names = labels?.names ?? found.labels;
    return { labels, names, rows: names.join("\n") === own.names.join("\n") ? own.rows : await rowsFor(labels) };
  } catch (error) {
    if (error instanceof BidoraError && ["HEAD", "UNKNOWN_LABEL"].includes(error.code)) return undefined;
    throw error;
  }
}

/** The answer of a constant predictor, from the run's training rows or else from the rows, and which rows they were. */
export interface Majority {
  readonly predictor: ConstantPredictor;
  readonly rows: "training" | "evaluated";
}

/** What the labels of the training rows, if the adapter remembers it, else those of the evaluated rows suggest to answer to every row. */
export function majorityFor({ kind, task, metadata }: InferenceModel, { names, rows }: HeadRows): Majority | undefined {
  const { majority, labels = [] } = metadata?.task === kind ? metadata : {};
  // The rows may spell a label in another way than the adapter.
  const spelled = (name: string) => names[labels.indexOf(name)] ?? name;
  const answer =
    typeof majority === "string" ? spelled(majority) : typeof majority === "object" ? majority.map(spelled) : majority;
  const known = answer === undefined ? undefined : task.constantOf?.(answer);
  const predictor = known ?? task.constantPrediction?.(rows, names);
  return predictor && { predictor, rows: known ? "training" : "evaluated" };
}

/** The metrics of one answer to all rows. @param references of the rows */
export function scoreMajority(
  { predictor, rows }: Majority,
  { task, metrics, ...choice }: TaskChoice,
  { labels, names }: HeadRows,
  references: readonly unknown[],
): Baseline {
  const pairs = references.map((reference) => [reference, predictor.of(reference)] as const);
  const { metric } = task.scorer({
    labels: names,
    metrics,
    positive: positiveOf({ task, metrics, ...choice }, labels),
  });
  const right = pairs.map(([reference, answer]) => task.mistake?.(answer, reference, names) === undefined);
  const note = `The baseline predicts ${JSON.stringify(predictor.answer)} for every row, by the labels of the ${rows} rows: the base model has no head for them.`;
  return { of: "majority", metrics: score(metric, pairs), right, note };
}

/** How many rows changed, and the 95 % interval of the share of right rows after less that before. */
export function changesOf(before: readonly boolean[], after: readonly boolean[]): RowChanges {
  const count = (was: boolean, is: boolean) => before.filter((one, i) => one === was && after[i] === is).length;
  const [fixed, broken] = [count(false, true), count(true, false)];
  const { low, high } = pairedDifference(
    { both: count(true, true), fixed, broken, neither: count(false, false) },
    CONFIDENCE,
  );
  return { fixed, broken, low, high };
}

const CONFIDENCE = 0.95;

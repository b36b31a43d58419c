// What an adapter's metrics are read against: the base model's own, or those of one prediction for every row.
import { BidoraError } from "../../base/index.js";
import type { Metrics } from "../../base/records/index.js";
import { findAdapterMetadata } from "../../models/adapters/index.js";
import type { Dataset, LabelMap } from "../../tasks/data/index.js";
import { labelsForInference, type TaskChoice } from "../../tasks/datasets/index.js";
import { type EncodedExample, resolveHead } from "../../tasks/index.js";
import { score } from "../../tasks/metrics/parts/index.js";
import type { InferenceModel } from "./open.js";

/** The labels of a head, in the order of its outputs, and the rows as it takes them. */
export interface HeadRows {
  readonly labels: LabelMap | undefined;
  readonly names: readonly string[];
  readonly rows: readonly EncodedExample[];
  /** The id of the positive label of two. */
  readonly positive: number | undefined;
}

export interface Baseline {
  readonly of: "base" | "majority";
  readonly metrics: Metrics;
  /** Of each row, whether it is right, if the task's predictions are right or wrong. */
  readonly right: readonly boolean[];
  /** What it is, in a sentence, if that has to be said. */
  readonly note?: string;
}

/**
 * The base model's own head, if the checkpoint has a trained one that knows the labels of the rows.
 * @param own the adapter's
 * @param rowsFor encodes the rows for other labels
 */
export async function baseHead(
  { architecture, checkpointConfig, folder, initialized, kind, task, labels: outputs }: InferenceModel,
  choice: TaskChoice,
  dataset: Dataset,
  own: HeadRows,
  rowsFor: (labels: LabelMap | undefined) => Promise<HeadRows["rows"]>,
): Promise<HeadRows | undefined> {
  if (initialized.length > 0) return undefined;
  try {
    const alone = { adapter: undefined, metadata: findAdapterMetadata(folder) };
    const found = resolveHead(architecture, checkpointConfig, alone, { kind, task });
    if (found.labels.length !== outputs.length) return undefined;
    const labels = labelsForInference(choice, dataset, found.labels);
    const names = labels?.names ?? found.labels;
    const positive = own.positive === undefined ? undefined : labels?.find(own.names[own.positive]!);
    return {
      labels,
      names,
      positive,
      rows: names.every((name, i) => name === own.names[i]) ? own.rows : await rowsFor(labels),
    };
  } catch (error) {
    if (error instanceof BidoraError && ["HEAD", "UNKNOWN_LABEL"].includes(error.code)) return undefined;
    throw error;
  }
}

/**
 * One prediction for all rows: what the labels of the training rows suggest, if the adapter remembers it, else those of the evaluated rows.
 * @param references of the rows
 */
export function majorityOf(
  { kind, task, metadata }: InferenceModel,
  choice: TaskChoice,
  { names, rows, positive }: HeadRows,
  references: readonly unknown[],
): Baseline | undefined {
  const { majority, labels: saved = [] } = metadata?.task === kind ? metadata : {};
  // The rows may spell a label in another way than the adapter.
  const spelled = <T>(one: T) => names[saved.indexOf(String(one))] ?? one;
  const answer = majority === undefined || typeof majority !== "object" ? spelled(majority) : majority.map(spelled);
  const known = answer === undefined ? undefined : task.constantOf?.(answer);
  const constant = known ?? task.constantPrediction?.(rows, names);
  if (!constant) return undefined;
  const pairs = references.map((reference) => [reference, constant.of(reference)] as const);
  const { metric } = task.scorer({ labels: names, metrics: choice.metrics, positive });
  return {
    of: "majority",
    metrics: score(metric, pairs),
    right: pairs.map(([reference, answer]) => task.mistake?.(answer, reference, names) === undefined),
    note: `The baseline predicts ${JSON.stringify(constant.answer)} for every row, by the labels of the ${known ? "training" : "evaluated"} rows: the base model has no head for them.`,
  };
}

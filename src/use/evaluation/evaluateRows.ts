// Metrics and the mean loss of labeled rows.
import { sum } from "d3-array";
import {
  aFunction,
  aNumber,
  aSwitch,
  aWhole,
  BidoraError,
  type Check,
  checkArguments,
  having,
  listOf,
  names,
  optional,
  options,
  signal,
  texts,
} from "../../base/index.js";
import type { Metrics, PredictedRow } from "../../base/records/index.js";
import { aModel, rowsOfTokens, type TaskModel } from "../../models/index.js";
import { where } from "../../tasks/data/index.js";
import {
  aTask,
  type Batch,
  batchOf,
  checkValues,
  type EmbeddedText,
  type EncodedExample,
  type ExamplePrediction,
  lossWeight,
  positiveName,
  type ScorerOptions,
  type Task,
  targetOf,
} from "../../tasks/index.js";
import type { Metric } from "../../tasks/metrics/index.js";
import * as torch from "../../torch/index.js";
import { ALONE, type Ranks } from "../../torch/index.js";
import type { PassOptions } from "./batches.js";
import { type PredictedParts, predictRows, rowsByOutput } from "./predictRows.js";

const EVALUATION_OPTIONS = options({
  task: aTask,
  labels: names,
  batchSize: aWhole,
  signal,
  metrics: optional(texts),
  positive: optional(aNumber),
  isScored: optional(aSwitch),
  corpus: optional(listOf("a list of texts with embeddings", having("a text", "text", "embedding"))),
} satisfies Record<keyof EvaluationOptions, Check>);

/** Options for evaluating rows: the same, and those of the metrics. */
export interface EvaluationOptions extends Omit<PassOptions, "onOutputs" | "shared">, ScorerOptions {
  /** For embeddings: more texts that the anchors' positives are searched among. */
  readonly corpus?: readonly EmbeddedText[] | undefined;
}

/** The metrics of evaluated rows, and what they were computed from. */
export interface Evaluation {
  /** The task's metrics, and the mean loss as `loss`. */
  readonly metrics: Metrics;
  readonly metric: Metric<unknown, object>;
  /** What the metric measured of each example, in order. */
  readonly measured: readonly unknown[];
  /** The label that precision, recall and F1 are of, if there are any. */
  readonly positiveLabel?: string;
  /** What was measured, if not rows. */
  readonly units?: "prompts" | "queries";
}

/** Notes on the metrics, one sentence each. */
export const notesOf = ({ metric, measured }: Pick<Evaluation, "metric" | "measured">): readonly string[] =>
  metric.notes?.(measured) ?? [];

/** Receives an example's first row, its prediction and its loss, which is computed when it is called; absent if it has none of its own. */
export type OnPrediction = (row: EncodedExample, prediction: object, loss?: () => WeightedLoss) => void;

/** A part of a mean loss: the mean is the sum of losses over the sum of weights. */
export type WeightedLoss = Required<Pick<PredictedRow, "loss" | "weight">>;

/** Evaluates a model on labeled rows. */
export async function evaluateRows(
  model: TaskModel,
  rows: readonly EncodedExample[],
  options: EvaluationOptions,
  onPrediction: OnPrediction = () => {},
): Promise<Evaluation> {
  checkArguments(
    "evaluateRows",
    ["model", model, aModel],
    ["rows", rows, rowsOfTokens],
    ["options", options, EVALUATION_OPTIONS],
    ["onPrediction", onPrediction, aFunction],
  );
  return evaluateWithOutputs(model, rows, options, onPrediction);
}

/** The same, with the outputs of each batch before they are disposed, and shared out among ranks, which get the same metrics. */
export async function evaluateWithOutputs(
  model: TaskModel,
  rows: readonly EncodedExample[],
  options: EvaluationOptions & Pick<PassOptions, "onOutputs" | "shared">,
  onPrediction: OnPrediction = () => {},
): Promise<Evaluation> {
  const { task, labels, metrics, positive, shared = { ranks: ALONE } } = options;
  const { metric } = task.scorer({ labels, metrics, positive });
  // Some losses are no means over rows, so the metric has them.
  const hasLoss = "loss" in metric.values;
  const losses = meanLoss(task);
  const measured: unknown[] = [];
  const score = ({ example: row, prediction }: ExamplePrediction, loss?: () => WeightedLoss) => {
    measured.push(metric.measure(row.reference, prediction, measured.length + 1));
    onPrediction(row, prediction, loss);
  };
  const together = task.contrastive?.together(options.corpus);
  const onOutputs = (batch: Batch, outputs: torch.Tensor) => {
    options.onOutputs?.(batch, outputs);
    if (!hasLoss) losses.add(batch, outputs);
  };
  for await (const predicted of predictRows(model, rows, { ...options, onOutputs })) {
    targetOf(predicted.example);
    if (together) together.add(predicted);
    else score(predicted, hasLoss ? undefined : () => lossOf(task, predicted));
  }
  for (const predicted of (await together?.scored(shared.ranks.size === 1 ? options.signal : undefined)) ?? [])
    score(predicted);
  const result = metric.result(measured);
  checkValues(result, metric);
  const { units } = together ?? {};
  // other machines could round otherwise, and then stop at another step
  const all = hasLoss ? result : { ...result, loss: losses.mean(shared.ranks) };
  const [first] = shared.ranks.gather(all);
  const named = positiveName(metric, labels, positive);
  return { metrics: first as Metrics, metric, measured, ...named, ...(units && { units }) };
}

/** The loss of one example, by its outputs. */
function lossOf(task: Task, { parts, outputs }: PredictedParts): WeightedLoss {
  const counted = parts.map((part, i) => ({ part, output: outputs[i]!, weight: task.weight(part) }));
  const losses = counted.map(({ part, output: { values, width }, weight }) =>
    torch.scope(() => {
      if (weight === 0) return 0;
      const shape = [values.length / width, width];
      return torch
        .noGrad(() => task.loss(torch.tensor(values, shape, "float32", "cpu"), batchOf([part], "cpu")))
        .item();
    }),
  );
  return { loss: sum(losses), weight: sum(counted, ({ weight }) => weight) };
}

/** The mean loss over batches; 0 if no row counts in it. */
function meanLoss(task: Task) {
  const total = { sum: 0, weight: 0 };
  return {
    add(batch: Batch, outputs: torch.Tensor): void {
      const weight = lossWeight(task, batch);
      if (weight === 0) return;
      total.sum += finiteSum(task, outputs, batch);
      total.weight += weight;
    },
    mean(ranks: Ranks): number {
      const all = ranks.gather(total);
      const weight = all.reduce((found, one) => found + one.weight, 0);
      return weight ? all.reduce((found, one) => found + one.sum, 0) / weight : 0;
    },
  };
}

/** Sums a batch's loss. Finite outputs can be too large for it. @throws BidoraError `NOT_FINITE` naming the row of the largest output */
function finiteSum(task: Task, outputs: torch.Tensor, batch: Batch): number {
  const sum = task.loss(outputs, batch).item();
  if (Number.isFinite(sum)) return sum;
  const largest = torch.max(torch.abs(outputs)).item();
  const most = (values: Float64Array) => values.reduce((found, value) => Math.max(found, Math.abs(value)), 0);
  const [row] = rowsByOutput(task, outputs, batch, (values) => -most(values));
  const { at } = row as EncodedExample;
  throw new BidoraError(
    "NOT_FINITE",
    `${where(at)}: the model's output reaches ${largest.toPrecision(3)}, so the loss is not a finite number.`,
  );
}

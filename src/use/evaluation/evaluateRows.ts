import { sum } from "d3-array";
import {
  aFunction,
  aNumber,
  aSwitch,
  aWhole,
  BidoraError,
  type CallContext,
  type Check,
  checkArguments,
  having,
  listOf,
  names,
  numbersOf,
  optional,
  options,
  signal,
  texts,
} from "../../base/index.js";
import type { Metrics, PredictedRow } from "../../base/records/index.js";
import { aModel, outputNotFinite, rowsOfTokens, type TaskModel } from "../../models/index.js";
import { EVALUATION } from "../../models/nn/index.js";
import { where } from "../../tasks/data/index.js";
import {
  aTask,
  type Batch,
  batchOf,
  checkValues,
  type EmbeddedText,
  type EncodedExample,
  ExampleOutputs,
  type ExamplePrediction,
  lossWeight,
  outputsByExample,
  outputsOf,
  type ScorerOptions,
  type Task,
  targetOf,
} from "../../tasks/index.js";
import type { Metric } from "../../tasks/metrics/index.js";
import * as torch from "../../torch/index.js";
import { ALONE, type Ranks } from "../../torch/index.js";
import { itemOf, type Sharing, sharedOut, shareOfItems } from "./sharing.js";

type Rows = readonly EncodedExample[];

export interface PassOptions {
  readonly task: Task;
  /** The labels of the outputs, in order. */
  readonly labels: readonly string[];
  readonly batchSize: number;
  readonly signal?: AbortSignal | undefined;
  /** Receives the outputs of each batch before they are disposed. */
  readonly onOutputs?: (batch: Batch, outputs: torch.Tensor) => void;
  /** The ranks among which the batches are divided; each gets the predictions of all. */
  readonly shared?: Sharing | undefined;
}

/** Rows are sorted by length within stretches of this many batches, so that little is in memory at a time. */
const STRETCH_BATCHES = 64;

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

/**
 * Predicts rows, in their order, as a stream: only one stretch is in memory at a time.
 * @throws BidoraError `NOT_FINITE` naming the row whose outputs are not finite
 */
export async function* predictRows(
  model: TaskModel,
  rows: readonly EncodedExample[],
  options: PassOptions,
): AsyncGenerator<PredictedParts> {
  const { task, labels, batchSize } = options;
  for (const stretch of stretchesOf(rows, batchSize)) {
    const byRow = await stretchOutputs(model, passesOf(stretch, options), options);
    for (const parts of task.splitsExamples ? examplesOf(stretch) : stretch.map((row) => [row])) {
      const outputs = parts.map((row) => byRow.get(row)!);
      yield { example: parts[0]!, prediction: task.predict(outputs, parts, labels), parts, outputs };
    }
  }
}

/** An example's prediction, with its parts and their outputs. */
interface PredictedParts extends ExamplePrediction {
  readonly parts: Rows;
  readonly outputs: readonly ExampleOutputs[];
}

/** The outputs for the rows of all batches, of which each rank computes its share. */
async function stretchOutputs(
  model: TaskModel,
  batches: readonly Rows[],
  options: PassOptions,
): Promise<Map<EncodedExample, ExampleOutputs>> {
  const { shared = { ranks: ALONE }, signal } = options;
  const shares = await sharedOut(shared, async () => {
    const own: ExampleOutputs[][] = [];
    for (const batch of shareOfItems(batches, shared)) {
      signal?.throwIfAborted();
      own.push(batchOutputs(model, batch, options));
      await new Promise(setImmediate);
    }
    return own;
  });
  const outputs = new Map<EncodedExample, ExampleOutputs>();
  for (const [i, batch] of batches.entries())
    for (const [j, { values, width }] of itemOf(shares, i).entries())
      outputs.set(batch[j]!, new ExampleOutputs(values, width));
  return outputs;
}

function batchOutputs(
  model: TaskModel,
  rows: Rows,
  { task, onOutputs }: Pick<PassOptions, "task" | "onOutputs">,
): ExampleOutputs[] {
  return torch.noGrad(() =>
    torch.scope(() => {
      const batch = batchOf(rows, model.device);
      const outputs = outputsOf(task, model, batch, EVALUATION);
      if (!torch.isAllFinite(outputs)) throw outputsNotFinite(task, outputs, batch);
      onOutputs?.(batch, outputs);
      return outputsByExample(task, outputs, batch);
    }),
  );
}

/**
 * The rows that a task uses, with a note on the others.
 * @param what the split
 * @throws BidoraError `NO_LOSS` if there are none, or one whose loss compares it with others
 */
export function usedRows(task: Task, rows: Rows, what: string, { onNote }: CallContext): Rows {
  const used = rows.filter((row) => !task.isLeftOut?.(row));
  const left = rows.length - used.length;
  if (task.arranged && used.length === 1)
    throw new BidoraError(
      "NO_LOSS",
      `The loss compares the rows of a batch with each other, and there is only one ${what} row: give 2 or more.`,
    );
  if (left === 0) return rows;
  const note = `${left} of ${rows.length} ${what} rows are left out: their prompts are as long as --max-length allows, or longer.`;
  if (used.length === 0) throw new BidoraError("NO_LOSS", note);
  onNote?.(note);
  return used;
}

/**
 * The rows of each batch as the task arranges them, in order. The last batch may have fewer rows, and a last row that would be alone belongs
 * to the batch before it.
 */
export function arrangedRows(task: Task, rows: Rows, batchSize: number): Rows {
  const { arranged } = task;
  if (!arranged) return rows;
  const size = Math.max(2, batchSize);
  const starts = Array.from({ length: Math.ceil((rows.length - 1) / size) }, (_, i) => i * size);
  return starts.flatMap((start, i) => arranged(rows.slice(start, starts[i + 1])));
}

/** The rows with the model's outputs as `startOutputs`: before it is trained, or without its adapter. */
export async function withStartOutputs(model: TaskModel, rows: Rows, options: PassOptions): Promise<Rows> {
  const found: EncodedExample[] = [];
  for (const stretch of stretchesOf(rows, options.batchSize)) {
    const byRow = await stretchOutputs(model, passesOf(stretch, options), options);
    for (const row of stretch) found.push({ ...row, startOutputs: numbersOf(byRow.get(row)!.values) });
  }
  return found;
}

/** The batches in which all rows run through a model, in that order. */
export function* evaluationBatches(rows: Rows, batchSize: number): Generator<Rows> {
  for (const stretch of stretchesOf(rows, batchSize)) yield* batchesOf(stretch, batchSize);
}

/** Stretches of at least that many batches, which never split an example. */
function* stretchesOf(rows: Rows, batchSize: number): Generator<Rows> {
  const size = batchSize * STRETCH_BATCHES;
  for (let start = 0, end = 0; start < rows.length; start = end) {
    end = Math.min(start + size, rows.length);
    while (end < rows.length && rows[end]?.at === rows[end - 1]?.at) end++;
    yield rows.slice(start, end);
  }
}

/** Batches of rows of similar length, the shortest first. */
function* batchesOf(rows: Rows, size: number): Generator<Rows> {
  const sorted = rows.toSorted(byLength);
  for (let start = 0; start < sorted.length; start += size) yield sorted.slice(start, start + size);
}

/** With fewer tokens, laying out the weights for a product takes a good part of its time. */
const TOKENS_OF_PASS = 2048;

/**
 * The same for outputs that nobody asks for by batch: a pass takes more rows than a batch while they have at most `TOKENS_OF_PASS` tokens. Not for
 * a language model, whose outputs are too large, nor where outputs are compared with those before training: where a product's last bits depend on
 * the rows beside it, both need the same rows, or an untrained model differs from itself.
 */
function passesOf(rows: Rows, { task, batchSize, onOutputs }: PassOptions): Rows[] {
  if (onOutputs || task.isGenerative || task.comparesWithStart) return [...batchesOf(rows, batchSize)];
  const passes: EncodedExample[][] = [];
  let tokens = 0;
  for (const row of rows.toSorted(byLength)) {
    const pass = passes.at(-1);
    tokens += row.inputIds.length;
    if (pass && (pass.length < batchSize || tokens <= TOKENS_OF_PASS)) pass.push(row);
    else {
      passes.push([row]);
      tokens = row.inputIds.length;
    }
  }
  return passes;
}

const byLength = (a: EncodedExample, b: EncodedExample): number => a.inputIds.length - b.inputIds.length;

/** Groups rows by example: the rows of an example are adjacent. */
export function* examplesOf(rows: Rows): Generator<Rows> {
  for (let start = 0, end = 0; start < rows.length; start = end) {
    end = start + 1;
    while (end < rows.length && rows[end]?.at === rows[start]?.at) end++;
    yield rows.slice(start, end);
  }
}

function outputsNotFinite(task: Task, outputs: torch.Tensor, batch: Batch): BidoraError {
  const [row] = rowsByOutput(task, outputs, batch, (values) => values.every(Number.isFinite));
  const { at } = row as EncodedExample;
  return outputNotFinite(`${where(at)}: the model's output`);
}

/** The rows of a batch, sorted by a rank of their outputs. */
function rowsByOutput(
  task: Task,
  outputs: torch.Tensor,
  batch: Batch,
  rank: (values: Float64Array) => number | boolean,
): EncodedExample[] {
  const ranks = outputsByExample(task, outputs, batch).map(({ values }) => Number(rank(values)));
  return batch.examples
    .map((row, i) => ({ row, rank: ranks[i]! }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ row }) => row);
}

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
  return { metrics: first as Metrics, metric, measured, ...(units && { units }) };
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

/**
 * A note about rows that do not count in the loss, because they have no labeled tokens or these were cut off. They change nothing.
 * Undefined if there are none.
 * @param what the split: training, validation
 * @throws BidoraError `NO_LOSS` if no row counts in the loss
 */
export function noteWithoutLoss(task: Task, rows: readonly EncodedExample[], what: string): string | undefined {
  const without = rows.filter((row) => task.weight(row) === 0).length;
  if (without === 0) return undefined;
  const note = `${without} of ${rows.length} ${what} rows do not count in the loss: they have no labeled tokens within --max-length.`;
  if (without === rows.length) throw new BidoraError("NO_LOSS", note);
  return note;
}

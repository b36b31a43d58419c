import { BidoraError } from "../common/errors.js";
import { type Batch, collate, type EncodedRow, place, type TaskKind } from "../data/index.js";
import { type TaskModel, toModelInput } from "../models/index.js";
import { EVALUATION } from "../nn/index.js";
import * as torch from "../torch/index.js";
import type { Metrics } from "./events.js";
import { type MetricOptions, metricsFor } from "./metricsFor.js";
import { lossOf, lossWeight } from "./objective.js";
import { type Predicted, wordsOf } from "./predictions.js";

type Rows = readonly EncodedRow[];

/**
 * The logits of all rows, computed in batches of rows of similar length, in the rows' own order.
 * @returns for each row its logits; for token classification one list a token
 * @throws BidoraError `NOT_FINITE` naming the row whose logits are not numbers
 */
export async function forwardAll(
  model: TaskModel,
  rows: Rows,
  task: TaskKind,
  batchSize: number,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly onBatch?: (batch: Batch, logits: torch.Tensor) => void;
  } = {},
): Promise<Float64Array[]> {
  const order = [...rows.keys()].sort(
    (a, b) => (rows[a] as EncodedRow).ids.length - (rows[b] as EncodedRow).ids.length,
  );
  const results = new Array<Float64Array>(rows.length);
  for (let start = 0; start < order.length; start += batchSize) {
    const chosen = order.slice(start, start + batchSize);
    const batch = collate(
      chosen.map((row) => rows[row] as EncodedRow),
      task,
    );
    const logits = torch.noGrad(() =>
      torch.scope(() => {
        const values = model.forward(toModelInput(batch), EVALUATION);
        options.onBatch?.(batch, values);
        return { width: values.shape[1] as number, flat: Float64Array.from(values.toArray()) };
      }),
    );
    let next = 0;
    for (const row of chosen) {
      const count = task === "token-classification" ? (rows[row] as EncodedRow).ids.length : 1;
      const values = logits.flat.slice(next * logits.width, (next + count) * logits.width);
      checkFinite(values, rows[row] as EncodedRow);
      results[row] = values;
      next += count;
    }
    await new Promise(setImmediate);
    options.signal?.throwIfAborted();
  }
  return results;
}

/** Neither a metric nor JSON can say what such a row gives. */
function checkFinite(logits: Float64Array, { at }: EncodedRow): void {
  if (logits.every(Number.isFinite)) return;
  throw new BidoraError("NOT_FINITE", `${place(at)}: the model's output is not a finite number; try --dtype float32.`);
}

export interface EvaluationOptions {
  readonly task: TaskKind;
  readonly labels: readonly string[];
  readonly batchSize: number;
  readonly metrics: MetricOptions["metrics"];
  readonly positive: MetricOptions["positive"];
  readonly signal?: AbortSignal | undefined;
}

/** The task's metrics on labelled rows, and their mean loss as `loss`. */
export async function evaluateRows(model: TaskModel, rows: Rows, options: EvaluationOptions): Promise<Metrics> {
  const { task, labels, batchSize } = options;
  const losses = { sum: 0, weight: 0 };
  const logits = await forwardAll(model, rows, task, batchSize, {
    signal: options.signal,
    onBatch: (batch, values) => {
      const weight = lossWeight(batch);
      if (!batch.labels || weight === 0) return;
      losses.sum += lossOf(values, batch.labels).item() * weight;
      losses.weight += weight;
    },
  });
  if (!Number.isFinite(losses.sum)) throw lossOverflow(logits, rows);
  const metrics = taskMetrics(logits, rows, options, labels.length);
  return { ...metrics, loss: losses.weight ? losses.sum / losses.weight : 0 };
}

/** Finite logits can be too large for a loss. */
function lossOverflow(logits: readonly Float64Array[], rows: Rows): BidoraError {
  const sizes = logits.map((values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
  const { at } = rows[argmax(sizes)] as EncodedRow;
  return new BidoraError(
    "NOT_FINITE",
    `${place(at)}: the model's output reaches ${(sizes[argmax(sizes)] ?? 0).toPrecision(3)}, so the loss is not a finite number.`,
  );
}

function taskMetrics(
  logits: readonly Float64Array[],
  rows: Rows,
  { task, labels, metrics, positive }: EvaluationOptions,
  width: number,
): Metrics {
  const set = { labels, metrics, positive };
  switch (task) {
    case "sequence-classification":
      return metricsFor(task, set).compute({
        references: rows.map((row) => row.label as number),
        predictions: logits.map(argmax),
      });
    case "regression":
      return metricsFor(task, set).compute({
        references: rows.map((row) => row.label as number),
        predictions: logits.map((values) => values[0] as number),
      });
    case "multi-label-classification":
      return metricsFor(task, set).compute({
        references: rows.map((row) => row.label as readonly (0 | 1)[]),
        predictions: logits.map((values) => Array.from(values, (value) => (value >= 0 ? 1 : 0))),
      });
    case "token-classification": {
      const name = (label: number) => labels[label] as string;
      const predictions = logits.map((values, i) =>
        wordsOf(values, rows[i] as EncodedRow, width).map((word: Predicted) => (word ? name(argmax(word)) : null)),
      );
      return metricsFor(task, set).compute({
        references: rows.map((row) => (row.wordLabels ?? []).map(name)),
        predictions,
      });
    }
    case "causal-lm":
      return {};
  }
}

/** The place of the largest value; the first of several. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}

// Predictions for rows, as a stream.
import { type BidoraError, numbersOf } from "../../base/index.js";
import { outputNotFinite, type TaskModel } from "../../models/index.js";
import { EVALUATION } from "../../models/nn/index.js";
import { where } from "../../tasks/data/index.js";
import {
  type Batch,
  batchOf,
  type EncodedExample,
  ExampleOutputs,
  type ExamplePrediction,
  outputsByExample,
  outputsOf,
  type Task,
} from "../../tasks/index.js";
import * as torch from "../../torch/index.js";
import { ALONE } from "../../torch/index.js";
import { examplesOf, type PassOptions, passesOf, type Rows, stretchesOf } from "./batches.js";
import { itemOf, sharedOut, shareOfItems } from "./sharing.js";

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
export interface PredictedParts extends ExamplePrediction {
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

/** The rows with the model's outputs as `startOutputs`: before it is trained, or without its adapter. */
export async function withStartOutputs(model: TaskModel, rows: Rows, options: PassOptions): Promise<Rows> {
  const found: EncodedExample[] = [];
  for (const stretch of stretchesOf(rows, options.batchSize)) {
    const byRow = await stretchOutputs(model, passesOf(stretch, options), options);
    for (const row of stretch) found.push({ ...row, startOutputs: numbersOf(byRow.get(row)!.values) });
  }
  return found;
}

function outputsNotFinite(task: Task, outputs: torch.Tensor, batch: Batch): BidoraError {
  const [row] = rowsByOutput(task, outputs, batch, (values) => values.every(Number.isFinite));
  const { at } = row as EncodedExample;
  return outputNotFinite(`${where(at)}: the model's output`);
}

/** The rows of a batch, sorted by a rank of their outputs. */
export function rowsByOutput(
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

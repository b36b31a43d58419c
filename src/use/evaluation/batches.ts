// The order in which rows run through a model: stretches of batches, passes of rows of similar length.
import type { Batch, EncodedExample, Task } from "../../tasks/index.js";
import type { Tensor } from "../../torch/index.js";
import type { Sharing } from "./sharing.js";

export type Rows = readonly EncodedExample[];

/** How rows run through a model. */
export interface PassOptions {
  readonly task: Task;
  /** The labels of the outputs, in order. */
  readonly labels: readonly string[];
  readonly batchSize: number;
  readonly signal?: AbortSignal | undefined;
  /** Receives the outputs of each batch before they are disposed. */
  readonly onOutputs?: (batch: Batch, outputs: Tensor) => void;
  /** The ranks among which the batches are divided; each gets the predictions of all. */
  readonly shared?: Sharing | undefined;
}

/** Rows are sorted by length within stretches of this many batches, so that little is in memory at a time. */
const STRETCH_BATCHES = 64;

/** The batches in which all rows run through a model, in that order. */
export function* evaluationBatches(rows: Rows, batchSize: number): Generator<Rows> {
  for (const stretch of stretchesOf(rows, batchSize)) yield* batchesOf(stretch, batchSize);
}

/** Stretches of at least that many batches, which never split an example. */
export function* stretchesOf(rows: Rows, batchSize: number): Generator<Rows> {
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
export function passesOf(rows: Rows, { task, batchSize, onOutputs }: PassOptions): Rows[] {
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

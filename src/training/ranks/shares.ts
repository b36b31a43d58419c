// How the ranks share a batch.
import type { OwnPart } from "../../models/nn/index.js";
import { type Batch, batchOf, type EncodedExample, type Task } from "../../tasks/index.js";
import { ALONE, type Ranks } from "../../torch/index.js";

type Rows = readonly EncodedExample[];

/** This rank's share of a batch. */
export interface BatchShare {
  /** The rows of the whole batch. */
  readonly whole: Rows;
  /** The number of rows before this rank's. */
  readonly begin: number;
  /** This rank's part of the batch; undefined if it has no row of it. */
  readonly own: Batch | undefined;
}

interface ShareOptions {
  readonly device?: string;
  readonly ranks?: Pick<Ranks, "rank" | "size">;
}

/** This rank's share of a batch: a run of rows, such that all ranks have about the same number of tokens. */
export function shareOf(whole: Rows, { device, ranks = ALONE }: ShareOptions): BatchShare {
  const cuts = evenCuts(
    whole.map(({ inputIds }) => inputIds.length),
    ranks.size,
  );
  const begin = cuts[ranks.rank]!;
  const rows = whole.slice(begin, cuts[ranks.rank + 1]);
  return { whole, begin, own: rows.length > 0 ? batchOf(rows, device) : undefined };
}

/**
 * Cuts a list of lengths into `parts` runs with sums as even as single cuts can make them.
 * @returns where each run begins, and where the last one ends
 */
export function evenCuts(lengths: readonly number[], parts: number): number[] {
  const ends = [0];
  for (const length of lengths) ends.push(ends.at(-1)! + length);
  const total = ends.at(-1)!;
  const nearest = (goal: number) => {
    const after = ends.findIndex((end) => end >= goal);
    const before = Math.max(0, after - 1);
    return goal - ends[before]! < ends[after]! - goal ? before : after;
  };
  return Array.from({ length: parts + 1 }, (_, part) =>
    part === parts ? lengths.length : nearest((part * total) / parts),
  );
}

/** What this rank has of the whole batch: dropout masks belong to its rows, whichever rank computes them. */
export function ownPartOf(task: Task, { whole, begin, own }: BatchShare): OwnPart {
  const before = whole.slice(0, begin);
  const stretch = (by: (row: EncodedExample) => number) => {
    const count = (rows: Rows) => rows.reduce((sum, row) => sum + by(row), 0);
    return { count: count(own?.examples ?? []), before: count(before) };
  };
  return {
    tokens: stretch(({ inputIds }) => inputIds.length),
    rows: stretch((row) => (task.embedding || task.reranking ? (task.outputVectors?.(row) ?? 1) : 1)),
    labeled: stretch((row) => task.weight(row)),
  };
}

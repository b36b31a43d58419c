// A step of generation: the sequences of several rows are continued in one pass of a model, along their drafts where there are any.

import type { TaskModel } from "../index.js";
import type { CacheDtype } from "../nn/index.js";
import { type Draft, type DraftedSequence, Drafting } from "./drafts/draft.js";
import type { Search } from "./search.js";
import { type PassCounts, SequenceBatch, type SequenceTokens } from "./sequenceBatch.js";

/** What a row chooses its next tokens by. */
export interface Computed<Row> {
  readonly row: Row;
  /** After each of its sequences, and after each token of the draft. */
  readonly logits: readonly Float32Array[][];
  /** The tokens that were proposed to its only sequence. */
  readonly draft: readonly number[];
}

/** A row after a step. */
export interface Continued<Row> {
  readonly row: Row;
  /** For each of its sequences in the next step, the index of the sequence of its row that it continues; none at the end. */
  readonly parents: readonly number[];
}

interface ContinuationOptions<Row> {
  /** Proposes tokens. */
  readonly draft?: Draft | undefined;
  /** How keys and values are kept; false without a cache. */
  readonly cacheDtype?: CacheDtype | false | undefined;
  /** Calls the model; it may choose what the model computes with. */
  pass?<T>(counts: readonly (PassCounts & { readonly row: Row })[], compute: (variant?: string) => T): T;
  /** The order of rows in the batch; by default that in which they came. */
  order?(a: Row, b: Row): number;
}

/** Rows that a model continues together, each with one sequence at first. */
export class Continuations<Row> {
  readonly #batch: SequenceBatch;
  readonly #drafting: Drafting | undefined;
  readonly #order: ContinuationOptions<Row>["order"];
  /** In the order of the batch's sequences: the rows, and how many sequences are theirs. */
  #placed: readonly { readonly row: Row; readonly count: number }[];

  constructor(model: TaskModel, rows: readonly Row[], options: ContinuationOptions<Row> = {}) {
    const { draft, cacheDtype, pass, order } = options;
    const ofRows =
      pass &&
      ((counts: readonly PassCounts[], compute: (variant?: string) => Float32Array) =>
        pass(
          this.#owners().map((row, i) => ({ ...counts[i]!, row })),
          compute,
        ));
    this.#batch = new SequenceBatch(model, rows.length, cacheDtype, ofRows);
    this.#drafting = draft && new Drafting(model, draft, rows.length);
    this.#order = order;
    this.#placed = rows.map((row) => ({ row, count: 1 }));
  }

  get rows(): readonly Row[] {
    return this.#placed.map(({ row }) => row);
  }

  /** The row of each sequence. */
  #owners(): readonly Row[] {
    return this.#placed.flatMap(({ row, count }) => new Array<Row>(count).fill(row));
  }

  /** @param tokens how many its sequence is expected to have */
  add(row: Row, tokens: number): void {
    this.#batch.add([tokens]);
    this.#drafting?.add([tokens]);
    this.#placed = [...this.#placed, { row, count: 1 }];
  }

  /**
   * Computes the next logits of all sequences.
   * @param drafted the sequences of a row that tokens may be proposed for: each of its sequences, in order
   * @param tokensOf the row's sequences with what was proposed; called in the order of `rows`
   */
  compute(
    drafted: (row: Row) => readonly DraftedSequence[],
    tokensOf: (row: Row, draft: readonly number[]) => readonly SequenceTokens[],
  ): readonly Computed<Row>[] {
    const proposed = this.#drafting?.propose(this.rows.flatMap(drafted)) ?? [];
    const drafts = this.#byRow(proposed).map(([first = []]) => first);
    const sequences = this.#placed.flatMap(({ row }, i) => tokensOf(row, drafts[i]!));
    const logits = this.#byRow(this.#batch.logitsAfter(sequences));
    return this.#placed.map(({ row }, i) => ({ row, logits: logits[i]!, draft: drafts[i]! }));
  }

  /**
   * Drops, duplicates and reorders the sequences of each row; rows without any leave.
   * @param next for each row, what becomes of it: itself, and rows that join it
   * @returns the rows that have left
   */
  select(next: readonly (readonly Continued<Row>[])[]): readonly Row[] {
    const places = this.#byRow([...this.#owners().keys()]);
    const rows = next.flatMap((own, i) =>
      own.map(({ row, parents }) => ({ row, sequences: parents.map((parent) => places[i]![parent]!) })),
    );
    const kept = rows.filter(({ sequences }) => sequences.length > 0);
    const order = this.#order;
    if (order) kept.sort((a, b) => order(a.row, b.row));
    const selected = kept.flatMap(({ sequences }) => sequences);
    this.#batch.select(selected);
    this.#drafting?.select(selected);
    this.#placed = kept.map(({ row, sequences }) => ({ row, count: sequences.length }));
    return rows.filter(({ sequences }) => sequences.length === 0).map(({ row }) => row);
  }

  /** Takes rows out, and leaves the others as they are. @returns those that have left */
  remove(isOver: (row: Row) => boolean): readonly Row[] {
    return this.select(
      this.#placed.map(({ row, count }) => [{ row, parents: isOver(row) ? [] : [...new Array(count).keys()] }]),
    );
  }

  dispose(): void {
    this.#batch.dispose();
    this.#drafting?.dispose();
  }

  /** What belongs to the sequences, row by row. */
  #byRow<T>(ofSequences: readonly T[]): T[][] {
    let end = 0;
    return this.#placed.map(({ count }) => {
      end += count;
      return ofSequences.slice(end - count, end);
    });
  }
}

/** The sequences of a search, and how many tokens may be proposed for each. */
export function draftedOf({ sequences, mostDrafted: most }: Search): readonly DraftedSequence[] {
  return sequences.map((ids) => ({ ids: most > 0 ? ids : [], most }));
}

/** The sequences of a search, whose logits are wanted after their last tokens and after each token of the draft. */
export function tokensOf({ sequences }: Search, draft: readonly number[]): readonly SequenceTokens[] {
  return sequences.map((ids) => ({ ids: draft.length > 0 ? [...ids, ...draft] : ids, wanted: 1 + draft.length }));
}

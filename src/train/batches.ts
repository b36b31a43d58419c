import { evenSizes } from "../common/collections.js";
import type { RunConfig } from "../config/index.js";
import { BatchOrder, batchesPerPass, foldsForSearch, type OrderState, splitForSearch } from "../data/index.js";
import { type Batch, batchOf, type EncodedRow } from "../tasks/index.js";
import { examplesOf } from "./evaluation.js";

export interface BatchOptions {
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly dropLast: boolean;
  readonly seed: number;
  /** The device of the batches; the CPU unless given. */
  readonly device?: string;
}

/** An endless sequence of batches; its state is a position in it. */
export interface BatchSource {
  /** The position of the batch that `next` gives; its pass grows by one when a pass is complete. */
  readonly state: OrderState;
  next(): Batch;
  restore(state: OrderState): void;
  /** The rows of each batch from the first one on. Where the source stands is left as it is. */
  ahead(): Generator<readonly EncodedRow[]>;
}

/** The endless sequence of batches of some rows. */
export class BatchStream implements BatchSource {
  readonly #rows: readonly EncodedRow[];
  readonly #device: string | undefined;
  readonly #makeOrder: (state?: OrderState) => BatchOrder;
  #order: BatchOrder;

  constructor(rows: readonly EncodedRow[], options: BatchOptions) {
    this.#rows = rows;
    this.#device = options.device;
    const lengths = rows.map((row) => row.inputIds.length);
    this.#makeOrder = (state) => new BatchOrder({ ...options, rows: rows.length, lengths }, state);
    this.#order = this.#makeOrder();
  }

  get batchesPerPass(): number {
    return this.#order.batchesPerPass;
  }

  get state(): OrderState {
    return this.#order.state;
  }

  restore(state: OrderState): void {
    this.#order = this.#makeOrder(state);
  }

  next(): Batch {
    return batchOf(this.#take(this.#order), this.#device);
  }

  /** The rows of each batch from a position on, without an end. Where the stream stands is left as it is. */
  *ahead(from?: OrderState): Generator<readonly EncodedRow[]> {
    for (const order = this.#makeOrder(from); ; ) yield this.#take(order);
  }

  #take(order: BatchOrder): EncodedRow[] {
    return order.next().map((row) => this.#rows[row] as EncodedRow);
  }
}

/** Optimiser steps of `epochs` passes, at least one. */
export function stepsOf(epochs: number, batchesPerPass: number, batchesPerStep: number): number {
  return epochs === 0 ? 0 : Math.max(1, Math.ceil((epochs * batchesPerPass) / batchesPerStep));
}

/** Rows whose turn lasts for some batches. */
export interface Stretch {
  readonly rowCount: number;
  /** Asked for when their turn comes: those of all stretches together are many times the rows that there are. */
  readonly rows: () => readonly EncodedRow[];
  /** How many batches are taken of them; none for rows whose turn never comes. */
  readonly batches: number;
}

interface Turn extends Stretch {
  /** The number of its first pass, counted through all stretches. */
  readonly firstPass: number;
  readonly batchesPerPass: number;
}

/**
 * The batches of several sets of rows, one after the other, without an end: the last set goes on. Passes are counted through all
 * of them, so that each has an order of its own; a pass that a turn's end cuts short counts as one.
 */
export class SegmentedStream implements BatchSource {
  readonly #turns: readonly Turn[];
  #at: number;
  #stream: BatchStream;

  /** @throws UsageError for a stretch whose rows make no batch */
  constructor(
    stretches: readonly Stretch[],
    readonly options: BatchOptions,
  ) {
    this.#turns = turnsOf(stretches, options);
    this.#at = 0;
    this.#stream = this.#begin();
  }

  get state(): OrderState {
    return this.#stream.state;
  }

  restore(state: OrderState): void {
    this.#at = this.#turns.findLastIndex(({ firstPass }) => firstPass <= state.pass);
    this.#stream = this.#begin();
    this.#stream.restore(state);
  }

  next(): Batch {
    const batch = this.#stream.next();
    if (this.#isOver && this.#at + 1 < this.#turns.length) {
      this.#at += 1;
      this.#stream = this.#begin();
    }
    return batch;
  }

  *ahead(): Generator<readonly EncodedRow[]> {
    for (const [i, turn] of this.#turns.entries()) {
      const stream = new BatchStream(turn.rows(), this.options);
      const batches = stream.ahead({ pass: turn.firstPass, index: 0 });
      if (i === this.#turns.length - 1) yield* batches;
      for (let left = turn.batches; left > 0; left--) yield batches.next().value as readonly EncodedRow[];
    }
  }

  get #turn(): Turn {
    return this.#turns[this.#at] as Turn;
  }

  get #isOver(): boolean {
    const { pass, index } = this.state;
    const { firstPass, batches } = this.#turn;
    return (pass - firstPass) * this.#turn.batchesPerPass + index >= batches;
  }

  #begin(): BatchStream {
    const stream = new BatchStream(this.#turn.rows(), this.options);
    stream.restore({ pass: this.#turn.firstPass, index: 0 });
    return stream;
  }
}

function turnsOf(stretches: readonly Stretch[], options: BatchOptions): Turn[] {
  let firstPass = 0;
  return stretches
    .filter(({ batches }) => batches > 0)
    .map((stretch) => {
      const turn = { ...stretch, firstPass, batchesPerPass: batchesPerPass({ ...options, rows: stretch.rowCount }) };
      firstPass += Math.ceil(stretch.batches / turn.batchesPerPass);
      return turn;
    });
}

type Rows = readonly EncodedRow[];

/** A run's settings, and the device of its batches. */
type SearchSettings = RunConfig & Pick<BatchOptions, "device">;

/** What the two levels of a search take, and how many steps it has. */
export interface SearchBatches {
  readonly lower: BatchSource;
  readonly upper: BatchSource;
  readonly steps: number;
}

/**
 * Whose rows are whose in a search: split once, or in folds that take turns. The split is one of whole examples: rows that are pieces
 * of one must not be on both levels.
 * @throws UsageError where a level would have no batch, and for more folds than examples
 */
export function searchBatches(rows: Rows, settings: SearchSettings): SearchBatches {
  const examples = [...examplesOf(rows)];
  const pick = (indices: readonly number[]) => indices.flatMap((index) => examples[index] as Rows);
  const { searchFraction: fraction, searchFolds: folds, shuffle, seed } = settings;
  if (folds !== undefined)
    return inTurns(foldsForSearch(examples.length, { folds, shuffle, seed }).map(pick), settings);
  const split = splitForSearch(examples.length, { fraction, shuffle, seed });
  const lower = new BatchStream(pick(split.lower), settings);
  const upper = new BatchStream(pick(split.upper), settings);
  return {
    lower,
    upper,
    steps: settings.maxSteps ?? stepsOf(settings.epochs, lower.batchesPerPass, perStep(settings)),
  };
}

/**
 * The steps are cut into as many stretches as there are folds, as equal as possible. In each stretch another fold is the upper
 * level's, and all others are the lower level's: no row is lost to the directions, each serves the magnitudes. With fewer steps
 * than folds the last folds' turns don't come.
 *
 * Stretches, and not another fold at each step, since the upper loss is to say how the directions do on rows that they are not
 * being fitted to. In T-fold cross-validation as a bilevel problem (Bennett, Hu, Ji, Kunapuli & Pang, "Model selection via bilevel
 * optimization", IJCNN 2006) each fold has a lower problem of its own; here one set of directions has to do for all. Were the fold
 * another one at each step, its rows would have been trained on the step before, and the upper loss would be one more training
 * loss; in a stretch they rest for T/K steps. The optimisers' memories, too, average over gradients of one objective then.
 */
function inTurns(folds: readonly Rows[], settings: SearchSettings): SearchBatches {
  const { batchSize, dropLast, gradientAccumulation } = settings;
  const total = folds.reduce((sum, { length }) => sum + length, 0);
  const passes = folds.map(({ length }) => batchesPerPass({ rows: total - length, batchSize, dropLast }));
  // An epoch is as many batches as a pass has over the lower level's rows, on an average over the stretches.
  const batches = passes.reduce((sum, count) => sum + count, 0);
  const steps = settings.maxSteps ?? stepsOf(settings.epochs, batches, perStep(settings) * folds.length);
  const sizes = evenSizes(steps, folds.length);
  const others = (k: number) => folds.flatMap((fold, i) => (i === k ? [] : fold));
  const lower = folds.map(({ length }, k) => ({
    rowCount: total - length,
    rows: () => others(k),
    batches: (sizes[k] as number) * perStep(settings),
  }));
  const upper = folds.map((fold, k) => ({
    rowCount: fold.length,
    rows: () => fold,
    batches: (sizes[k] as number) * gradientAccumulation,
  }));
  return { lower: new SegmentedStream(lower, settings), upper: new SegmentedStream(upper, settings), steps };
}

/** Batches that the lower level takes in a search step. */
const perStep = ({ unrollSteps, gradientAccumulation }: RunConfig): number => unrollSteps * gradientAccumulation;

import { group, max } from "d3-array";
import { evenSizes } from "../../base/index.js";
import type { RunConfig } from "../../tasks/config/index.js";
import {
  BatchOrder,
  batchesPerPass,
  foldsForSearch,
  type Location,
  type OrderState,
  type RowSeed,
  splitForSearch,
} from "../../tasks/data/index.js";
import type { EncodedExample } from "../../tasks/index.js";
import type { Ranks } from "../../torch/index.js";
import { examplesOf } from "../../use/evaluation/index.js";
import { type BatchShare, shareOf } from "../ranks/shares.js";

interface BatchOptions extends RowSeed {
  /** The rows of a batch, of all ranks together. */
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly dropLast: boolean;
  readonly batchesTogether?: number | undefined;
  /** The device of the batches; the CPU unless given. */
  readonly device?: string;
  /** The processes that share each batch; by default this one has all of it. */
  readonly ranks?: Pick<Ranks, "rank" | "size">;
}

/** An endless sequence of batches, whose state is the position in it. */
export interface BatchSource {
  /** The position of the next batch; `pass` increases when a pass is complete. */
  readonly state: OrderState;
  next(): BatchShare;
  restore(state: OrderState): void;
  /** The rows of each batch from the first one on. Does not change the position. */
  upcoming(): Generator<readonly EncodedExample[]>;
}

/** The endless sequence of batches of some rows. */
export class BatchStream implements BatchSource {
  readonly #rows: readonly EncodedExample[];
  readonly #options: BatchOptions;
  readonly #makeOrder: (state?: OrderState) => BatchOrder;
  #order: BatchOrder;

  constructor(rows: readonly EncodedExample[], options: BatchOptions) {
    this.#rows = rows;
    this.#options = options;
    const lengths = rows.map((row) => row.inputIds.length);
    this.#makeOrder = (state) => new BatchOrder({ ...options, examples: rows.length, lengths }, state);
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

  next(): BatchShare {
    return shareOf(this.#take(this.#order), this.#options);
  }

  /** The rows of each batch from a position on, without end. Does not change the stream's position. */
  *upcoming(from?: OrderState): Generator<readonly EncodedExample[]> {
    for (const order = this.#makeOrder(from); ; ) yield this.#take(order);
  }

  #take(order: BatchOrder): EncodedExample[] {
    return order.next().map((row) => this.#rows[row]!);
  }
}

/** The number of optimizer steps in `epochs` passes, at least one. */
export function stepsOf(epochs: number, batchesPerPass: number, batchesPerStep: number): number {
  return epochs === 0 ? 0 : Math.max(1, Math.ceil((epochs * batchesPerPass) / batchesPerStep));
}

/** A set of rows that is used for some batches. */
interface Stretch {
  readonly rowCount: number;
  /** Called when the stretch begins: the rows of all stretches together are many times the data set. */
  readonly rows: () => readonly EncodedExample[];
  /** The number of batches taken from them; 0 if they are never used. */
  readonly batches: number;
}

interface Turn extends Stretch {
  /** The number of its first pass, counted through all stretches. */
  readonly firstPass: number;
  readonly batchesPerPass: number;
}

/**
 * The batches of several sets of rows, one set after the other; the last set repeats without end. Passes are counted across all
 * sets, so that each pass has its own order; a pass that is cut short counts as one.
 */
class SegmentedStream implements BatchSource {
  readonly #turns: readonly Turn[];
  #at: number;
  #stream: BatchStream;

  /** @throws UsageError for a stretch whose rows do not fill a batch */
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

  next(): BatchShare {
    const batch = this.#stream.next();
    if (this.#isOver && this.#at + 1 < this.#turns.length) {
      this.#at += 1;
      this.#stream = this.#begin();
    }
    return batch;
  }

  *upcoming(): Generator<readonly EncodedExample[]> {
    for (const [i, turn] of this.#turns.entries()) {
      const stream = new BatchStream(turn.rows(), this.options);
      const batches = stream.upcoming({ pass: turn.firstPass, index: 0 });
      if (i === this.#turns.length - 1) yield* batches;
      for (let left = turn.batches; left > 0; left--) yield batches.next().value as readonly EncodedExample[];
    }
  }

  get #turn(): Turn {
    return this.#turns[this.#at]!;
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
      const turn = {
        ...stretch,
        firstPass,
        batchesPerPass: batchesPerPass({ ...options, examples: stretch.rowCount }),
      };
      firstPass += Math.ceil(stretch.batches / turn.batchesPerPass);
      return turn;
    });
}

type Rows = readonly EncodedExample[];

/** A run's settings, with the batch size of all ranks, and the device and the sharing of its batches. */
type SearchSettings = RunConfig &
  Pick<BatchOptions, "device" | "ranks" | "batchesTogether"> & {
    /** The group of each example, of which none is split. */
    readonly groups?: ReadonlyMap<Location, number> | undefined;
  };

/** The batches of both levels of a search, and its number of steps. */
export interface SearchBatches {
  readonly lower: BatchSource;
  readonly upper: BatchSource;
  /** The lower level's rows. In folds each row is the lower level's at some time. */
  readonly lowerRows: Rows;
  /** The upper level's rows; in folds those of each. */
  readonly upperRows: readonly Rows[];
  readonly steps: number;
}

/**
 * Divides rows between the levels of a search: with one split, or in folds that take turns. Examples are never split: rows that are
 * pieces of one example, or completions of one prompt, must not be on both levels.
 * @param upperRows the upper level's; then all of `rows` are the lower level's
 * @throws UsageError if a level has no batch, or if there are more folds than examples
 */
export function searchBatches(rows: Rows, settings: SearchSettings, upperRows?: Rows): SearchBatches {
  if (upperRows) return onceDivided(rows, upperRows, settings);
  const examples = [...group(examplesOf(rows), ([first]) => first!.at).values()];
  const pick = (indices: readonly number[]) => inRounds(indices.map((index) => examples[index]!));
  const { searchFraction: fraction, searchFolds: folds, shuffle, seed, dataSeed } = settings;
  const groups = settings.groups && examples.map(([pieces]) => settings.groups!.get(pieces![0]!.at)!);
  const shuffling = { shuffle, seed, dataSeed, groups };
  if (folds !== undefined) return inTurns(foldsForSearch(examples.length, { folds, ...shuffling }).map(pick), settings);
  const split = splitForSearch(examples.length, { fraction, ...shuffling });
  return onceDivided(pick(split.lower), pick(split.upper), settings);
}

/** The rows of examples. What is apart of an example stays apart: the first pieces of all come first, then the second ones. */
function inRounds(examples: readonly (readonly Rows[])[]): Rows {
  const rounds = max(examples, ({ length }) => length) ?? 0;
  return Array.from({ length: rounds }, (_, round) => examples.flatMap((pieces) => pieces[round] ?? [])).flat();
}

function onceDivided(ofLower: Rows, ofUpper: Rows, settings: SearchSettings): SearchBatches {
  const lower = new BatchStream(ofLower, settings);
  const upper = new BatchStream(ofUpper, settings);
  return {
    lower,
    upper,
    lowerRows: ofLower,
    upperRows: [ofUpper],
    steps: settings.maxSteps ?? stepsOf(settings.epochs, lower.batchesPerPass, perStep(settings)),
  };
}

/**
 * The steps are divided into one stretch per fold, as equal as possible. In each stretch one fold is the upper level's and all
 * others are the lower level's, so that every row trains both levels. With fewer steps than folds the last
 * folds are not used.
 *
 * The fold changes by stretch and not by step, because the upper loss must measure the lower tensors on rows that they are not being
 * trained on. In T-fold cross-validation as a bilevel problem (Bennett, Hu, Ji, Kunapuli & Pang, "Model selection via bilevel
 * optimization", IJCNN 2006) each fold has its own lower problem; here all folds share one set of lower tensors. If the fold changed
 * at each step, its rows would have been trained on in the step before, and the upper loss would be a second training loss. In a
 * stretch they are held out for T/K steps, and the optimizers' moments average over gradients of one objective.
 */
function inTurns(folds: readonly Rows[], settings: SearchSettings): SearchBatches {
  const { batchSize, dropLast, gradientAccumulation } = settings;
  const total = folds.reduce((sum, { length }) => sum + length, 0);
  const passes = folds.map(({ length }) => batchesPerPass({ examples: total - length, batchSize, dropLast }));
  // An epoch has as many batches as a pass over the lower level's rows, averaged over the stretches.
  const batches = passes.reduce((sum, count) => sum + count, 0);
  const steps = settings.maxSteps ?? stepsOf(settings.epochs, batches, perStep(settings) * folds.length);
  const sizes = evenSizes(steps, folds.length);
  const others = (k: number) => folds.flatMap((fold, i) => (i === k ? [] : fold));
  const lower = folds.map(({ length }, k) => ({
    rowCount: total - length,
    rows: () => others(k),
    batches: sizes[k]! * perStep(settings),
  }));
  const upper = folds.map((fold, k) => ({
    rowCount: fold.length,
    rows: () => fold,
    batches: sizes[k]! * gradientAccumulation,
  }));
  return {
    lower: new SegmentedStream(lower, settings),
    upper: new SegmentedStream(upper, settings),
    lowerRows: folds.flat(),
    upperRows: folds,
    steps,
  };
}

/** The number of lower batches in a search step. */
const perStep = ({ unrollSteps, gradientAccumulation }: RunConfig): number => unrollSteps * gradientAccumulation;

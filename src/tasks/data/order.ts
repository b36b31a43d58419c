/** The order in which examples are trained on. */
import { shuffler, UsageError } from "../../base/index.js";

/** A position in the data, for checkpoints. */
export interface OrderState {
  /** Completed passes over the examples. */
  readonly pass: number;
  /** Batches of this pass that were returned. */
  readonly index: number;
}

/** What the draws that concern rows are seeded by: which are taken and held out, and their order. */
export interface RowSeed {
  readonly seed: number;
  /** By default the seed of everything else. */
  readonly dataSeed?: number | undefined;
}

/** The seed of draws that concern rows. */
export const rowSeed = ({ seed, dataSeed }: RowSeed): number => dataSeed ?? seed;

export interface OrderOptions extends RowSeed {
  /** The number of examples. */
  readonly examples: number;
  readonly batchSize: number;
  /** Otherwise every pass has the examples in file order. */
  readonly shuffle: boolean;
  /** Drops the last batch of a pass if it is short. */
  readonly dropLast?: boolean;
  /** Every pass has the order of the first, and a multiple of this number of batches, all of them whole. */
  readonly batchesTogether?: number | undefined;
  /** The examples' lengths, to put examples of similar length into one batch (only with `shuffle`). */
  readonly lengths?: readonly number[] | undefined;
}

/** Examples are sorted by length within chunks of this many batches, so that batches stay random. */
const CHUNK_BATCHES = 32;

/** @throws UsageError for less than one batch */
export function batchesPerPass({
  examples,
  batchSize,
  dropLast,
  batchesTogether,
}: Pick<OrderOptions, "examples" | "batchSize" | "dropLast" | "batchesTogether">): number {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new UsageError(`The batch size must be a whole number of at least 1, but is ${batchSize}.`);
  }
  const together = batchesTogether ?? 1;
  const isWhole = dropLast || batchesTogether !== undefined;
  const steps = examples / batchSize / together;
  const batches = (isWhole ? Math.floor(steps) : Math.ceil(steps)) * together;
  if (batches > 0) return batches;
  throw new UsageError(
    `${examples} rows do not fill one batch of ${batchSize * together}${isWhole ? ", and a short last batch is dropped" : ""}.`,
  );
}

/** The endless sequence of batches of example numbers, determined by the options and the state. */
export class BatchOrder {
  readonly batchesPerPass: number;
  readonly #options: OrderOptions;
  #state: OrderState;
  #batches: { readonly pass: number; readonly list: readonly (readonly number[])[] } | undefined;

  /** @throws UsageError for less than one batch */
  constructor(options: OrderOptions, state: OrderState = { pass: 0, index: 0 }) {
    this.batchesPerPass = batchesPerPass(options);
    if (!(state.index >= 0 && state.index < this.batchesPerPass)) {
      throw new UsageError(
        `A pass has ${this.batchesPerPass} batches, but the position to resume from is ${state.index}.`,
      );
    }
    this.#options = options;
    this.#state = state;
  }

  /** The position of the batch that `next` returns. */
  get state(): OrderState {
    return this.#state;
  }

  /** The example numbers of the next batch. */
  next(): readonly number[] {
    const { pass, index } = this.#state;
    if (this.#batches?.pass !== pass) this.#batches = { pass, list: batchesOfPass(this.#options, pass) };
    this.#state = index + 1 < this.batchesPerPass ? { pass, index: index + 1 } : { pass: pass + 1, index: 0 };
    return this.#batches.list[index]!;
  }
}

function batchesOfPass(options: OrderOptions, pass: number): number[][] {
  const { examples, batchSize, shuffle, dropLast, lengths, batchesTogether } = options;
  const order = Array.from({ length: examples }, (_, example) => example);
  const whole = (batch: readonly number[]) => !dropLast || batch.length === batchSize;
  if (!shuffle) return chunks(order, batchSize).filter(whole);
  const shuffleInPlace = shuffler(rowSeed(options), batchesTogether ? 0 : pass);
  shuffleInPlace(order);
  if (lengths === undefined) return chunks(order, batchSize).filter(whole);
  const sorted = chunks(order, batchSize * CHUNK_BATCHES).flatMap((chunk) =>
    chunk.sort((a, b) => lengths[a]! - lengths[b]!),
  );
  return shuffleInPlace(chunks(sorted, batchSize).filter(whole));
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

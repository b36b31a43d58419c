import { UsageError } from "../common/errors.js";
import { shuffler } from "../common/seededGenerator.js";

/** A position in the data, to be saved and resumed from. */
export interface OrderState {
  /** How many passes over the rows are complete. */
  readonly pass: number;
  /** How many batches of this pass were handed out. */
  readonly index: number;
}

export interface OrderOptions {
  /** How many rows there are. */
  readonly rows: number;
  readonly batchSize: number;
  readonly seed: number;
  /** Off: every pass takes the rows in file order. */
  readonly shuffle: boolean;
  /** Leaves out the short last batch of a pass, which else counts as a batch. */
  readonly dropLast?: boolean;
  /** The rows' lengths, if rows of similar length are to share a batch (only where the order is shuffled). */
  readonly lengths?: readonly number[] | undefined;
}

/** Rows of similar length are looked for in stretches of so many batches, so that batches stay random. */
const CHUNK_BATCHES = 32;

/** @throws UsageError if there is no batch to make */
export function batchesPerPass({
  rows,
  batchSize,
  dropLast,
}: Pick<OrderOptions, "rows" | "batchSize" | "dropLast">): number {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new UsageError(`The batch size must be a whole number from 1, but it is ${batchSize}.`);
  }
  const batches = dropLast ? Math.floor(rows / batchSize) : Math.ceil(rows / batchSize);
  if (batches > 0) return batches;
  throw new UsageError(
    `${rows} rows make no batch of ${batchSize}${dropLast ? " when a short last one is dropped" : ""}.`,
  );
}

/** The endless sequence of batches of row numbers. It depends on the options and the state alone. */
export class BatchOrder {
  readonly batchesPerPass: number;
  readonly #options: OrderOptions;
  #state: OrderState;
  #batches: { readonly pass: number; readonly list: readonly (readonly number[])[] } | undefined;

  /** @throws UsageError if there is no batch to make. */
  constructor(options: OrderOptions, state: OrderState = { pass: 0, index: 0 }) {
    this.batchesPerPass = batchesPerPass(options);
    if (!(state.index >= 0 && state.index < this.batchesPerPass)) {
      throw new UsageError(
        `A pass has ${this.batchesPerPass} batches, but the position to go on from is ${state.index}.`,
      );
    }
    this.#options = options;
    this.#state = state;
  }

  /** The position of the batch that `next` gives. */
  get state(): OrderState {
    return this.#state;
  }

  /** The row numbers of the next batch; after a pass the next one begins. */
  next(): readonly number[] {
    const { pass, index } = this.#state;
    if (this.#batches?.pass !== pass) this.#batches = { pass, list: batchesOfPass(this.#options, pass) };
    this.#state = index + 1 < this.batchesPerPass ? { pass, index: index + 1 } : { pass: pass + 1, index: 0 };
    return this.#batches.list[index]!;
  }
}

function batchesOfPass({ rows, batchSize, seed, shuffle, dropLast, lengths }: OrderOptions, pass: number): number[][] {
  const order = Array.from({ length: rows }, (_, row) => row);
  const whole = (batch: readonly number[]) => !dropLast || batch.length === batchSize;
  if (!shuffle) return chunks(order, batchSize).filter(whole);
  const shuffleInPlace = shuffler(seed, pass);
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

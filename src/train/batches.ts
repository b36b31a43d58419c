import { BatchOrder, type OrderState } from "../data/index.js";
import { type Batch, batchOf, type EncodedRow } from "../tasks/index.js";

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

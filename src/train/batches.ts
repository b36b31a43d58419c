import { BatchOrder, type OrderState } from "../data/index.js";
import { type Batch, batchOf, type EncodedRow } from "../tasks/index.js";

export interface BatchOptions {
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly dropLast: boolean;
  readonly seed: number;
}

/** The endless sequence of batches of some rows; its state is a position in it. */
export class BatchStream {
  readonly #rows: readonly EncodedRow[];
  readonly #makeOrder: (state?: OrderState) => BatchOrder;
  #order: BatchOrder;

  constructor(rows: readonly EncodedRow[], options: BatchOptions) {
    this.#rows = rows;
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
    return batchOf(this.#order.next().map((row) => this.#rows[row] as EncodedRow));
  }
}

import { type Batch, BatchOrder, collate, type EncodedRow, type OrderState, type TaskKind } from "../data/index.js";

export interface BatchOptions {
  readonly task: TaskKind;
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly dropLast: boolean;
  readonly seed: number;
}

/** The endless sequence of batches of some rows; its state is a place in it. */
export class BatchStream {
  readonly #rows: readonly EncodedRow[];
  readonly #task: TaskKind;
  readonly #makeOrder: (state?: OrderState) => BatchOrder;
  #order: BatchOrder;

  constructor(rows: readonly EncodedRow[], { task, ...options }: BatchOptions) {
    this.#rows = rows;
    this.#task = task;
    const lengths = rows.map((row) => row.ids.length);
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
    return collate(
      this.#order.next().map((row) => this.#rows[row] as EncodedRow),
      this.#task,
    );
  }
}

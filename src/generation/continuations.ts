import { BidoraError } from "../common/errors.js";
import { modelInput, type TaskModel } from "../models/index.js";
import { EVALUATION, KeyValueCache } from "../nn/index.js";
import * as torch from "../torch/index.js";

/** Sequences that a model goes on with, side by side. What it has computed of their tokens is kept. */
export class Continuations {
  readonly #cache: KeyValueCache | undefined;

  /**
   * @param model one that gives logits for every token
   * @param sequences how many there are
   * @param keeps false computes all tokens anew each time
   */
  constructor(
    private readonly model: TaskModel,
    sequences: number,
    keeps = true,
  ) {
    this.#cache = keeps ? new KeyValueCache(sequences) : undefined;
  }

  /**
   * Logits for the token after each sequence, in float32.
   * @param sequences all tokens of each, with at least one that is new
   * @throws BidoraError `NOT_FINITE`
   */
  next(sequences: readonly (readonly number[])[]): Float32Array[] {
    const rows = sequences.map((ids, i) => ids.slice(this.#seen(i, ids.length)));
    return torch.noGrad(() =>
      torch.scope(() => {
        const input = modelInput(
          rows.map((inputIds) => ({ inputIds, tokenTypeIds: inputIds.map(() => 0) })),
          this.#cache,
        );
        const logits = this.model.forwardAt(input, EVALUATION, lastOf(rows));
        if (!torch.isAllFinite(logits)) throw logitsNotFinite();
        const values = torch.castTo(logits, "float32").toTypedArray() as Float32Array;
        const width = values.length / rows.length;
        return rows.map((_, i) => values.subarray(i * width, (i + 1) * width));
      }),
    );
  }

  /** How many of a sequence's tokens need not be computed again. */
  #seen(sequence: number, length: number): number {
    const seen = this.#cache?.lengths[sequence] ?? 0;
    if (seen === 0 || this.model.backbone.holds(seen, length)) return seen;
    this.#cache?.restart(sequence);
    return 0;
  }

  /** Goes on with some of the sequences. @param sequences their numbers, in their new order; one may be there several times */
  select(sequences: readonly number[]): void {
    torch.noGrad(() => this.#cache?.select(sequences));
  }

  dispose(): void {
    this.#cache?.dispose();
  }
}

/** [rows] int64: the flat index of each row's last token. */
function lastOf(rows: readonly (readonly number[])[]): torch.Tensor {
  let end = 0;
  const last = rows.map(({ length }) => {
    end += length;
    return end - 1;
  });
  return torch.tensor(last, [last.length], "int64");
}

function logitsNotFinite(): BidoraError {
  return new BidoraError("NOT_FINITE", "The model's output is not a finite number; try --dtype float32.");
}

/** Sequences that a model continues together, with their key-value cache. */
import { BidoraError } from "../common/errors.js";
import { modelInput, type TaskModel } from "../models/index.js";
import { type CacheDtype, EVALUATION, KeyValueCache } from "../nn/index.js";
import * as torch from "../torch/index.js";

/** How many new tokens of a sequence a pass computes, and after how many of them its logits are wanted. */
export interface PassCounts {
  readonly tokens: number;
  readonly selected: number;
}

/** Calls the model on a batch. */
type Pass = (counts: readonly PassCounts[], compute: () => Float32Array) => Float32Array;

/** A sequence of a batch. */
export interface SequenceTokens {
  /** All of its tokens. */
  readonly ids: readonly number[];
  /** After how many of its last tokens the logits are wanted. */
  readonly wanted: number;
}

/**
 * The sequences of a batch. A pass computes the tokens that are new since the last one; where a sequence has other tokens than before,
 * it continues after those that are the same.
 */
export class SequenceBatch {
  readonly #cache: KeyValueCache | undefined;
  /** The tokens of each sequence in the cache. */
  #cached: number[][];

  /**
   * @param model returns logits for every token
   * @param sequences the number of sequences
   * @param cacheDtype how keys and values are kept; false without a cache
   * @param pass calls the model; it may choose what the model computes with
   */
  constructor(
    private readonly model: TaskModel,
    sequences: number,
    cacheDtype: CacheDtype | false = "auto",
    private readonly pass: Pass = (_, compute) => compute(),
  ) {
    this.#cache = cacheDtype ? new KeyValueCache(sequences, cacheDtype) : undefined;
    this.#cached = Array.from({ length: sequences }, () => []);
  }

  /**
   * The logits of the token after each sequence, in float32.
   * @param sequences all tokens of each sequence
   * @throws BidoraError `NOT_FINITE`
   */
  next(sequences: readonly (readonly number[])[]): Float32Array[] {
    const logits = this.logitsAfter(sequences.map((ids) => ({ ids, wanted: 1 })));
    return logits.map(([last]) => finite(last as Float32Array));
  }

  /**
   * The logits after the last tokens of each sequence, in float32, in the order of the tokens.
   * @returns as many as are wanted of each sequence
   */
  logitsAfter(sequences: readonly SequenceTokens[]): Float32Array[][] {
    const rows = sequences.map(({ ids, wanted }, i) => ids.slice(this.#keep(i, ids, wanted)));
    const counts = sequences.map(({ wanted }, i) => ({
      tokens: (rows[i] as readonly number[]).length,
      selected: wanted,
    }));
    const compute = () => this.#forward(rows, counts);
    const values = this.pass(counts, this.#continues(counts) ? () => torch.withIntegerProducts(compute) : compute);
    if (this.#cache)
      for (const [i, row] of rows.entries()) for (const id of row) (this.#cached[i] as number[]).push(id);
    return split(values, counts);
  }

  /** Whether all new tokens come after cached ones and none is a prompt's. */
  #continues(counts: readonly PassCounts[]): boolean {
    return counts.every(({ tokens, selected }, i) => tokens === selected && (this.#cached[i] as number[]).length > 0);
  }

  /** [K · vocabulary]: the logits of the selected tokens. */
  #forward(rows: readonly (readonly number[])[], counts: readonly PassCounts[]): Float32Array {
    const { device } = this.model;
    return torch.noGrad(() =>
      torch.scope(() => {
        const input = modelInput(
          rows.map((inputIds) => ({ inputIds, tokenTypeIds: inputIds.map(() => 0) })),
          this.#cache,
          device,
        );
        const logits = this.model.forwardAt(input, EVALUATION, selectedIn(counts, device));
        return torch.castTo(logits, "float32").toTypedArray() as Float32Array;
      }),
    );
  }

  /** Removes cached tokens that a sequence no longer has, or whose logits are wanted. @returns the number of those that are left */
  #keep(sequence: number, ids: readonly number[], wanted: number): number {
    const cached = this.#cached[sequence] as number[];
    const isValid = cached.length === 0 || this.model.backbone.cacheStaysValid(cached.length, ids.length);
    const most = isValid ? Math.min(cached.length, ids.length - Math.max(wanted, 1)) : 0;
    let same = 0;
    while (same < most && cached[same] === ids[same]) same++;
    if (same < cached.length) this.#cache?.cut(sequence, same);
    cached.length = same;
    return same;
  }

  /** The bytes of a cached token; 0 before the first pass. */
  get bytesPerToken(): number {
    return this.#cache?.bytesPerToken ?? 0;
  }

  /** Adds empty sequences after the others. @param tokens the expected number of tokens of each */
  add(tokens: readonly number[]): void {
    torch.noGrad(() => this.#cache?.add(tokens));
    this.#cached = [...this.#cached, ...tokens.map(() => [])];
  }

  /** Selects sequences. @param sequences their indices in the new order, possibly with duplicates */
  select(sequences: readonly number[]): void {
    torch.noGrad(() => this.#cache?.select(sequences));
    const taken = new Set<number>();
    this.#cached = sequences.map((sequence) => {
      const cached = this.#cached[sequence] as number[];
      if (taken.has(sequence)) return [...cached];
      taken.add(sequence);
      return cached;
    });
  }

  dispose(): void {
    this.#cache?.dispose();
  }
}

/** [K] int64: the packed indices of the selected tokens, which are the last of each row. */
function selectedIn(counts: readonly PassCounts[], device: string): torch.Tensor {
  let end = 0;
  const selected = counts.flatMap(({ tokens, selected: count }) => {
    end += tokens;
    return Array.from({ length: count }, (_, k) => end - count + k);
  });
  return torch.tensor(selected, [selected.length], "int64", device);
}

/** Values [K, width] as rows, those of each sequence together. */
function split(values: Float32Array, counts: readonly PassCounts[]): Float32Array[][] {
  const width = values.length / counts.reduce((sum, { selected }) => sum + selected, 0);
  let row = 0;
  return counts.map(({ selected }) =>
    Array.from({ length: selected }, () => values.subarray(row++ * width, row * width)),
  );
}

/** The logits themselves. @throws BidoraError `NOT_FINITE` */
export function finite(logits: Float32Array): Float32Array {
  for (const logit of logits)
    if (!Number.isFinite(logit))
      throw new BidoraError("NOT_FINITE", "The model's output is not a finite number; try --dtype float32.");
  return logits;
}

// Sequences that a model continues together, with their key-value cache.

import * as torch from "../../torch/index.js";
import { modelInput, type TaskModel } from "../index.js";
import { type CacheDtype, EVALUATION, KeyValueCache, PackedWeight, W8A8, type Weight } from "../nn/index.js";
import { outputNotFinite } from "../notFinite.js";

/** How many new tokens of a sequence a pass computes, and after how many of them its logits are wanted. */
export interface PassCounts {
  readonly tokens: number;
  readonly selected: number;
}

/**
 * Calls the model on a batch.
 * @param compute takes a name for what the model computes with, if that is not always the same
 */
type Pass = (counts: readonly PassCounts[], compute: (variant?: string) => Float32Array) => Float32Array;

/** A sequence of a batch. */
export interface SequenceTokens {
  /** All of its tokens. */
  readonly ids: readonly number[];
  /** After how many of its last tokens the logits are wanted. */
  readonly wanted: number;
  /** Whether its new tokens are a part of its prompt; those of the first pass are in any case. */
  readonly isPrompt?: boolean;
}

/**
 * The sequences of a batch. A pass computes the tokens that are new since the last one; where a sequence has other tokens than before,
 * it continues after those that are the same.
 */
export class SequenceBatch {
  readonly #cache: KeyValueCache | undefined;
  readonly #hasIntegerPasses: boolean;
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
    this.#hasIntegerPasses = hasIntegerPasses(model);
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
   * The logits after the last tokens of each sequence, in float32, in the order of the tokens. With packed weights, tokens that continue
   * cached ones have a pass of their own, in which products may have other last bits than in the pass of the prompts: so a sequence's
   * logits depend neither on how many others there are nor on what they are.
   * @returns as many as are wanted of each sequence
   */
  logitsAfter(sequences: readonly SequenceTokens[]): Float32Array[][] {
    const rows = sequences.map(({ ids, wanted, isPrompt = false }, i) => {
      const kept = this.#keep(i, ids, wanted);
      return { ids: ids.slice(kept), selected: wanted, continues: kept > 0 && !isPrompt };
    });
    if (!this.#hasIntegerPasses || !rows.some(({ continues }) => continues)) return this.#compute(rows);
    if (rows.every(({ continues }) => continues)) return torch.withIntegerProducts(() => this.#compute(rows));
    const part = (continued: boolean) => rows.map((row) => (row.continues === continued ? row : NO_TOKENS));
    const ofContinued = torch.withIntegerProducts(() => this.#compute(part(true)));
    const ofPrompts = this.#compute(part(false));
    return rows.map(({ continues }, i) => (continues ? ofContinued : ofPrompts)[i] as Float32Array[]);
  }

  /** Calls the model on the new tokens of those sequences that have some. */
  #compute(rows: readonly NewTokens[]): Float32Array[][] {
    const counts = rows.map(({ ids, selected }) => ({ tokens: ids.length, selected }));
    const sequences = [...rows.keys()].filter((i) => rows[i]!.ids.length > 0);
    const ids = sequences.map((i) => rows[i]!.ids);
    const forward = () => this.#forward(ids, counts);
    const compute = (variant = "") => this.#cache?.among(sequences, forward, variant) ?? forward();
    const values = this.pass(counts, compute);
    if (this.#cache) for (const [i, { ids }] of rows.entries()) for (const id of ids) this.#cached[i]!.push(id);
    return split(values, counts);
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
    const cached = this.#cached[sequence]!;
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
      const cached = this.#cached[sequence]!;
      if (taken.has(sequence)) return [...cached];
      taken.add(sequence);
      return cached;
    });
  }

  dispose(): void {
    this.#cache?.dispose();
  }
}

/** A sequence's tokens in a pass, and after how many of them the logits are wanted. */
interface NewTokens {
  readonly ids: readonly number[];
  readonly selected: number;
}

const NO_TOKENS: NewTokens = { ids: [], selected: 0 };

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
  // Four times as fast as an iteration over the array, which would take 2% of a small model's token.
  for (let i = 0; i < logits.length; i++) if (!Number.isFinite(logits[i])) throw outputNotFinite("The model's output");
  return logits;
}

/** Whether products with some of the model's packed weights add up whole numbers under `withIntegerProducts`. Those of w8a8 always do. */
export const hasIntegerPasses = (model: TaskModel): boolean =>
  torch.engineFacts().integerProducts &&
  [...model.namedParameters()].some(([, of]) => of.isFilled && canRound(of.values));

const canRound = (values: Weight): boolean =>
  values instanceof PackedWeight && values.format !== W8A8 && values.dtype === "bfloat16";

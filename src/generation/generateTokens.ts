/** The generation loop: the model computes the next logits of all sequences in a batch, and each prompt's search chooses tokens. */
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  aFunction,
  aSwitch,
  type Check,
  checkArguments,
  having,
  listOf,
  optional,
  options as optionsOf,
  signal,
} from "../common/arguments.js";
import { BidoraError } from "../common/errors.js";
import { aModel, modelInput, type TaskModel } from "../models/index.js";
import { EVALUATION, KeyValueCache } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { BeamSearch } from "./beams.js";
import { type GenerationSettings, GREEDY } from "./generationSettings.js";
import { type Finish, type Prompt, type Search, SequenceSearch, type StopCheck } from "./search.js";

/** The next tokens after one of the prompts. */
export interface NextTokens {
  /** The prompt's index. */
  readonly prompt: number;
  readonly tokens: readonly number[];
  /** Undefined while generation continues. */
  readonly finish: Finish | undefined;
}

/** Options of a generation. */
export interface GenerateOptions {
  /** Whether the generated tokens end with a stop string. */
  readonly isStopped?: ((prompt: number, tokens: readonly number[]) => Promise<boolean>) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether to use a key-value cache; without one, each step recomputes all tokens. */
  readonly cache?: boolean | undefined;
}

const PROMPTS = listOf(
  "a list of prompts, { ids, maxNewTokens, uniform }",
  having("a prompt, { ids, maxNewTokens, uniform }", "ids", "maxNewTokens"),
);
const SETTINGS = having(
  "settings such as GREEDY",
  ...Object.entries(GREEDY).flatMap(([key, value]) => (value === undefined ? [] : [key])),
);
/** The checks of `GenerateOptions`. */
export const GENERATE_OPTIONS = { isStopped: optional(aFunction), signal, cache: optional(aSwitch) };
const OPTIONS = optionsOf(GENERATE_OPTIONS);

/** @throws UsageError for an argument of the wrong type */
export function checkGeneration(
  call: string,
  [model, check]: readonly [value: unknown, check: Check],
  prompts: unknown,
  settings: unknown,
  options: readonly [value: unknown, check: Check],
): void {
  checkArguments(
    call,
    ["model", model, check],
    ["prompts", prompts, PROMPTS],
    ["settings", settings, SETTINGS],
    ["options", ...options],
  );
}

/**
 * Generates tokens after prompts in one batch, with the same results as one at a time. Yields tokens one by one, or with beams all at
 * once. Finished sequences leave the batch.
 */
export async function* generateTokens(
  model: TaskModel,
  prompts: readonly Prompt[],
  settings: GenerationSettings,
  options: GenerateOptions = {},
): AsyncGenerator<NextTokens> {
  checkGeneration("generateTokens", [model, aModel], prompts, settings, [options, OPTIONS]);
  const { signal, cache, isStopped } = options;
  const continuations = new SequenceBatch(model, prompts.length, cache);
  const stopCheck = (prompt: number): StopCheck | undefined => isStopped && ((tokens) => isStopped(prompt, tokens));
  let running = prompts.map((given, prompt) => ({ prompt, search: newSearch(given, settings, stopCheck(prompt)) }));
  try {
    while (running.length > 0) {
      signal?.throwIfAborted();
      const logits = continuations.next(running.flatMap(({ search }) => search.sequences));
      const left: typeof running = [];
      const parents: number[] = [];
      let first = 0;
      for (const row of running) {
        const count = row.search.sequences.length;
        const step = await row.search.advance(logits.slice(first, first + count));
        if (step.finish === undefined) {
          left.push(row);
          parents.push(...step.parents.map((parent) => first + parent));
        }
        first += count;
        if (step.tokens.length > 0 || step.finish !== undefined)
          yield { prompt: row.prompt, tokens: step.tokens, finish: step.finish };
      }
      continuations.select(parents);
      running = left;
      await nextTurn();
      signal?.throwIfAborted();
    }
  } finally {
    continuations.dispose();
  }
}

/** The search for the continuation of one prompt. */
export function newSearch(given: Prompt, settings: GenerationSettings, isStopped?: StopCheck): Search {
  return settings.beams
    ? new BeamSearch(given, { ...settings, beams: settings.beams }, isStopped)
    : new SequenceSearch(given, settings, isStopped);
}

/** How many new tokens of a sequence a pass computes, and after how many of them its logits are wanted. */
export interface PassCounts {
  readonly tokens: number;
  readonly selected: number;
}

/** Calls the model on a batch. */
type Pass = (counts: readonly PassCounts[], compute: () => Float32Array) => Float32Array;

/** The sequences of a batch, with their key-value cache. */
export class SequenceBatch {
  readonly #cache: KeyValueCache | undefined;

  /**
   * @param model returns logits for every token
   * @param sequences the number of sequences
   * @param pass calls the model; it may choose what the model computes with
   */
  constructor(
    private readonly model: TaskModel,
    sequences: number,
    isCached = true,
    private readonly pass: Pass = (_, compute) => compute(),
  ) {
    this.#cache = isCached ? new KeyValueCache(sequences) : undefined;
  }

  /**
   * The logits of the token after each sequence, in float32.
   * @param sequences all tokens of each sequence, at least one of them new
   * @throws BidoraError `NOT_FINITE`
   */
  next(sequences: readonly (readonly number[])[]): Float32Array[] {
    const logits = this.logitsAfter(sequences.map((ids) => ({ ids })));
    if (!logits.every(([last]) => areFinite(last as Float32Array))) throw logitsNotFinite();
    return logits.map(([last]) => last as Float32Array);
  }

  /**
   * The logits of the token after each sequence, or after each of its new tokens, in float32.
   * @returns for each sequence those after its last tokens, in the order of the tokens
   */
  logitsAfter(sequences: readonly NewTokens[]): Float32Array[][] {
    const rows = sequences.map(({ ids }, i) => ids.slice(this.#cached(i, ids.length)));
    const counts = sequences.map(({ every }, i) => {
      const tokens = (rows[i] as readonly number[]).length;
      return { tokens, selected: every ? tokens : 1 };
    });
    return split(
      this.pass(counts, () => this.#forward(rows, counts)),
      counts,
    );
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

  /** The number of a sequence's cached tokens. */
  #cached(sequence: number, length: number): number {
    const seen = this.#cache?.lengths[sequence] ?? 0;
    if (seen === 0 || this.model.backbone.cacheStaysValid(seen, length)) return seen;
    this.#cache?.restart(sequence);
    return 0;
  }

  /** The bytes of a cached token; 0 before the first pass. */
  get bytesPerToken(): number {
    return this.#cache?.bytesPerToken ?? 0;
  }

  /** Adds empty sequences after the others. @param tokens the expected number of tokens of each */
  add(tokens: readonly number[]): void {
    torch.noGrad(() => this.#cache?.add(tokens));
  }

  /** Selects sequences. @param sequences their indices in the new order, possibly with duplicates */
  select(sequences: readonly number[]): void {
    torch.noGrad(() => this.#cache?.select(sequences));
  }

  dispose(): void {
    this.#cache?.dispose();
  }
}

/** A sequence of a batch. */
export interface NewTokens {
  /** All of its tokens, at least one of them new. */
  readonly ids: readonly number[];
  /** Whether the logits after each new token are wanted, not only those after the last one. */
  readonly every?: boolean;
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

/** Whether all values are finite numbers. */
export function areFinite(values: Float32Array): boolean {
  for (const value of values) if (!Number.isFinite(value)) return false;
  return true;
}

function logitsNotFinite(): BidoraError {
  return new BidoraError("NOT_FINITE", "The model's output is not a finite number; try --dtype float32.");
}

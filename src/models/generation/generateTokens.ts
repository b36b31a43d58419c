// The generation loop: the model computes the next logits of all sequences in a batch, and each prompt's search chooses tokens.

import { setImmediate as nextTurn } from "node:timers/promises";
import {
  aFunction,
  aSwitch,
  type Check,
  checkArguments,
  having,
  listOf,
  oneOf,
  optional,
  options as optionsOf,
  signal,
  UsageError,
} from "../../base/index.js";
import { aModel, type TaskModel } from "../index.js";
import { CACHE_DTYPES, type CacheDtype } from "../nn/index.js";
import { BeamSearch } from "./beams.js";
import { Continuations, type Continued, draftedOf, tokensOf } from "./continuations.js";
import type { Draft } from "./drafts/draft.js";
import { type GenerationSettings, GREEDY } from "./generationSettings.js";
import { type Finish, follow, type Prompt, type Search, SequenceSearch, type StopCheck } from "./search.js";

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
  /** How keys and values are cached: in the model's dtype, or rounded to int8. */
  readonly cacheDtype?: CacheDtype | undefined;
  /** Proposes tokens that the model checks several at a time, which changes none of them; not with beams. */
  readonly draft?: Draft | undefined;
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
export const GENERATE_OPTIONS = {
  isStopped: optional(aFunction),
  signal,
  cache: optional(aSwitch),
  cacheDtype: optional(oneOf(CACHE_DTYPES)),
  draft: optional(having("a draft, as ngramDraft and modelDraft give it", "tokens", "start")),
};
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
 * Generates tokens after prompts in one batch, with the same results as one at a time. Yields tokens one by one, with a draft those of
 * each pass, or with beams all at once. Finished sequences leave the batch. If the model is changed between two tokens, the next one comes
 * from the changed model and the keys and values that it had cached before.
 */
export async function* generateTokens(
  model: TaskModel,
  prompts: readonly Prompt[],
  settings: GenerationSettings,
  options: GenerateOptions = {},
): AsyncGenerator<NextTokens> {
  checkGeneration("generateTokens", [model, aModel], prompts, settings, [options, OPTIONS]);
  if (options.draft && settings.beams)
    throw new UsageError("A draft proposes tokens for one sequence, and beam search has several: leave one out.");
  const { signal, isStopped, draft, cache = true, cacheDtype } = options;
  const stopCheck = (prompt: number): StopCheck | undefined => isStopped && ((tokens) => isStopped(prompt, tokens));
  const rows = prompts.map((given, prompt) => ({ prompt, search: newSearch(given, settings, stopCheck(prompt)) }));
  const running = new Continuations(model, rows, { draft, cacheDtype: cache && cacheDtype });
  try {
    while (running.rows.length > 0) {
      signal?.throwIfAborted();
      const next: Continued<(typeof rows)[number]>[][] = [];
      const computed = running.compute(
        ({ search }) => draftedOf(search),
        ({ search }, draft) => tokensOf(search, draft),
      );
      for (const { row, logits, draft } of computed) {
        const { tokens, finish, parents } = await follow(row.search, logits, draft);
        next.push([{ row, parents: finish === undefined ? parents : [] }]);
        if (tokens.length > 0 || finish !== undefined) yield { prompt: row.prompt, tokens, finish };
      }
      running.select(next);
      await nextTurn();
      signal?.throwIfAborted();
    }
  } finally {
    running.dispose();
  }
}

/** The search for the continuation of one prompt. */
export function newSearch(given: Prompt, settings: GenerationSettings, isStopped?: StopCheck): Search {
  return settings.beams
    ? new BeamSearch(given, { ...settings, beams: settings.beams }, isStopped)
    : new SequenceSearch(given, settings, isStopped);
}

import { setImmediate as nextTurn } from "node:timers/promises";
import { options as optionsOf } from "../common/arguments.js";
import { argmax } from "../common/collections.js";
import { aModel, type TaskModel } from "../models/index.js";
import { checkGeneration, GENERATE } from "./arguments.js";
import { Continuations } from "./continuations.js";
import { type Processor, processorsOf } from "./processors.js";
import { sample } from "./sampling.js";
import type { GenerationSettings } from "./settings.js";

/** Why a continuation ends: a token that ends it, a text that does, or no more room. */
export type Finish = "eos" | "stop" | "length";

/** What a model goes on from. */
export interface Prompt {
  readonly ids: readonly number[];
  /** Tokens after it, at most. */
  readonly maxNewTokens: number;
  /** Numbers of at least 0 and below 1, one for each token, where tokens are drawn. */
  readonly uniform: () => number;
}

/** The next tokens of one of the prompts. */
export interface NextTokens {
  /** The prompt's number. */
  readonly prompt: number;
  readonly tokens: readonly number[];
  /** Undefined while it goes on. */
  readonly finish: Finish | undefined;
}

/** How prompts are gone on from. */
export interface GenerateOptions {
  /** Whether a continuation has come to a text that ends it. */
  readonly isStopped?: ((prompt: number, tokens: readonly number[]) => Promise<boolean>) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** False computes all tokens anew for each new one. */
  readonly cache?: boolean | undefined;
}

/** A prompt that is being gone on with. */
interface Running extends Prompt {
  readonly prompt: number;
  readonly all: number[];
}

const OPTIONS = optionsOf(GENERATE);

/**
 * Goes on from prompts, each as if it were alone, token by token: the likeliest one, or one drawn. Those that have ended leave the
 * batch.
 */
export async function* generateTokens(
  model: TaskModel,
  prompts: readonly Prompt[],
  settings: GenerationSettings,
  options: GenerateOptions = {},
): AsyncGenerator<NextTokens> {
  checkGeneration("generateTokens", [model, aModel], prompts, settings, [options, OPTIONS]);
  const { isStopped, signal, cache } = options;
  const processors = processorsOf(settings);
  const continuations = new Continuations(model, prompts.length, cache);
  let running: Running[] = prompts.map((given, prompt) => ({ ...given, prompt, all: [...given.ids] }));
  try {
    while (running.length > 0) {
      const scores = continuations.next(running.map(({ all }) => all));
      const left: number[] = [];
      for (const [i, row] of running.entries()) {
        const token = choose(scores[i] as Float32Array, row, processors, settings);
        row.all.push(token);
        const finish = await finishOf(row, settings, isStopped);
        if (finish === undefined) left.push(i);
        yield { prompt: row.prompt, tokens: [token], finish };
      }
      continuations.select(left);
      running = left.map((i) => running[i] as Running);
      await nextTurn();
      signal?.throwIfAborted();
    }
  } finally {
    continuations.dispose();
  }
}

function choose(
  scores: Float32Array,
  { all, ids, maxNewTokens, uniform }: Running,
  processors: readonly Processor[],
  { sampling }: GenerationSettings,
): number {
  for (const process of processors) process(scores, { ids: all, promptLength: ids.length, maxNewTokens });
  return sampling ? sample(scores, sampling, uniform()) : argmax(scores);
}

async function finishOf(
  { prompt, all, ids, maxNewTokens }: Running,
  { endTokens, stopTokens }: GenerationSettings,
  isStopped: GenerateOptions["isStopped"],
): Promise<Finish | undefined> {
  const token = all.at(-1) as number;
  if (endTokens.includes(token)) return "eos";
  if (stopTokens.includes(token)) return "stop";
  if (await isStopped?.(prompt, all.slice(ids.length))) return "stop";
  return all.length - ids.length >= maxNewTokens ? "length" : undefined;
}

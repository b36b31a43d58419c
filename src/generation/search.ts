/** How one prompt is continued: a search keeps one or more sequences, and adds a token to each in a step. */
import { argmax } from "../common/collections.js";
import type { GenerationSettings } from "./generationSettings.js";
import { type Processor, processorsOf } from "./processors.js";
import { sample } from "./sampling.js";

/** Why a continuation ended: at an end token, at a stop string, or for lack of room. */
export type Finish = "eos" | "stop" | "length";

/** A prompt to continue. */
export interface Prompt {
  readonly ids: readonly number[];
  /** The most new tokens. */
  readonly maxNewTokens: number;
  /** Random numbers of at least 0 and below 1, one for each sampled token. */
  readonly uniform: () => number;
}

/** Whether new tokens end with a stop string. */
export type StopCheck = (tokens: readonly number[]) => Promise<boolean>;

/** The result of one step. */
export interface SearchStep {
  /** The new tokens of the continuation, as far as they are certain. */
  readonly tokens: readonly number[];
  /** Undefined while the search continues. */
  readonly finish: Finish | undefined;
  /** For each sequence of the next step, the sequence of this step that it extends. */
  readonly parents: readonly number[];
}

/** The search for the continuation of one prompt. */
export interface Search {
  /** The sequences whose next token is searched, prompt included. */
  readonly sequences: readonly (readonly number[])[];
  /** @param logits of the next token of each sequence, which are changed */
  advance(logits: readonly Float32Array[]): Promise<SearchStep>;
}

/** Greedy search and sampling: one sequence, each token of which is certain at once. */
export class SequenceSearch implements Search {
  readonly #prompt: Prompt;
  readonly #settings: GenerationSettings;
  readonly #processors: readonly Processor[];
  readonly #isStopped: StopCheck | undefined;
  readonly #ids: number[];

  constructor(prompt: Prompt, settings: GenerationSettings, isStopped?: StopCheck) {
    this.#prompt = prompt;
    this.#settings = settings;
    this.#processors = processorsOf(settings);
    this.#isStopped = isStopped;
    this.#ids = [...prompt.ids];
  }

  get sequences(): readonly (readonly number[])[] {
    return [this.#ids];
  }

  async advance([logits]: readonly Float32Array[]): Promise<SearchStep> {
    const token = this.#choose(logits as Float32Array);
    this.#ids.push(token);
    const tokens = this.#ids.slice(this.#prompt.ids.length);
    const isFull = tokens.length >= this.#prompt.maxNewTokens;
    const finish = (await endOf(tokens, this.#settings, this.#isStopped)) ?? (isFull ? "length" : undefined);
    return { tokens: [token], finish, parents: [0] };
  }

  #choose(scores: Float32Array): number {
    const { ids: prompt, maxNewTokens, uniform } = this.#prompt;
    const sequence = { ids: this.#ids, promptLength: prompt.length, maxNewTokens };
    for (const process of this.#processors) process(scores, sequence);
    const { sampling } = this.#settings;
    return sampling ? sample(scores, sampling, uniform()) : argmax(scores);
  }
}

/** Why the newest of a continuation's tokens ends it, if it does. */
export async function endOf(
  tokens: readonly number[],
  { endTokens, stopTokens }: GenerationSettings,
  isStopped: StopCheck | undefined,
): Promise<"eos" | "stop" | undefined> {
  const token = tokens.at(-1) as number;
  if (endTokens.includes(token)) return "eos";
  return stopTokens.includes(token) || (await isStopped?.(tokens)) ? "stop" : undefined;
}

// Decoding of one prompt: a search keeps one or more sequences and adds a token to each in every step.

import { argmax, BidoraError } from "../../base/index.js";
import type { GenerationSettings } from "./generationSettings.js";
import { type Processor, processorsOf, sample } from "./sampling.js";
import { finite } from "./sequenceBatch.js";

/** Why generation ended: at an end token, at a stop string, or at the maximum length. */
export type Finish = "eos" | "stop" | "length";

/** A prompt. */
export interface Prompt {
  readonly ids: readonly number[];
  /** The maximum number of new tokens. */
  readonly maxNewTokens: number;
  /** Random numbers in [0, 1), one per sampled token. */
  readonly uniform: () => number;
  /** Limits the new tokens; not with beams. */
  readonly constraint?: Constraint | undefined;
}

/** Whether new tokens end with a stop string. */
export type StopCheck = (tokens: readonly number[]) => Promise<boolean>;

/** The result of one step. */
export interface SearchStep {
  /** The new tokens that are final. */
  readonly tokens: readonly number[];
  /** Undefined while the search continues. */
  readonly finish: Finish | undefined;
  /** For each sequence of the next step, the index of the sequence that it extends. */
  readonly parents: readonly number[];
}

/** The decoding of one prompt. */
export interface Search {
  /** The sequences to extend, including the prompt. */
  readonly sequences: readonly (readonly number[])[];
  /** The most tokens of a draft that it can take; 0 if it has several sequences. */
  readonly mostDrafted: number;
  /** @param logits the logits of each sequence's next token, which are changed */
  advance(logits: readonly Float32Array[]): Promise<SearchStep>;
}

/**
 * Goes on with a search, and as long as it chooses the tokens of a draft, further.
 * @param logits after each sequence, and after each token of the draft
 * @param draft of the only sequence
 * @returns the last step, with the tokens of all
 * @throws BidoraError `NOT_FINITE`
 */
export async function follow(
  search: Search,
  logits: readonly (readonly Float32Array[])[],
  draft: readonly number[],
): Promise<SearchStep> {
  let step = await search.advance(logits.map(([first]) => finite(first as Float32Array)));
  const tokens = [...step.tokens];
  for (const [i, token] of draft.entries()) {
    if (step.finish !== undefined || tokens[i] !== token) break;
    step = await search.advance([finite(logits[0]?.[i + 1] as Float32Array)]);
    tokens.push(...step.tokens);
  }
  return { ...step, tokens };
}

/** Greedy decoding and sampling: one sequence, whose tokens are final immediately. */
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

  /** As many as leave room for the token after them. */
  get mostDrafted(): number {
    const { ids, maxNewTokens } = this.#prompt;
    return Math.max(0, ids.length + maxNewTokens - this.#ids.length - 1);
  }

  async advance([logits]: readonly Float32Array[]): Promise<SearchStep> {
    const allowed = await this.#prompt.constraint?.allowed();
    const token = this.#choose(logits as Float32Array, allowed);
    this.#ids.push(token);
    const tokens = this.#ids.slice(this.#prompt.ids.length);
    const isFull = tokens.length >= this.#prompt.maxNewTokens;
    const finish = (await endOf(tokens, this.#settings, this.#isStopped)) ?? (isFull ? "length" : undefined);
    if (finish === undefined) this.#prompt.constraint?.accept(token);
    return { tokens: [token], finish, parents: [0] };
  }

  #choose(scores: Float32Array, allowed: Int32Array | undefined): number {
    const { ids: prompt, maxNewTokens, uniform } = this.#prompt;
    const sequence = { ids: this.#ids, promptLength: prompt.length, maxNewTokens };
    if (allowed) keepAllowed(scores, allowed);
    for (const process of this.#processors) process(scores, sequence);
    const { sampling } = this.#settings;
    const token = sampling ? sample(scores, sampling, uniform()) : argmax(scores);
    if (allowed) requireAllowed(allowed, token);
    return token;
  }
}

/** Why the newest token ends generation, if it does. */
export async function endOf(
  tokens: readonly number[],
  { endTokens, stopTokens }: GenerationSettings,
  isStopped: StopCheck | undefined,
): Promise<"eos" | "stop" | undefined> {
  const token = tokens.at(-1)!;
  if (endTokens.includes(token)) return "eos";
  return stopTokens.includes(token) || (await isStopped?.(tokens)) ? "stop" : undefined;
}

/** Says which tokens may come next in one sequence, token by token. */
export interface Constraint {
  /** A bit for each token, 32 in each number, the lowest first: whether it may be next. */
  allowed(): Promise<Int32Array>;
  /** Takes the sequence's next token. */
  accept(token: number): void;
}

export const isAllowed = (allowed: Int32Array, token: number): boolean =>
  ((allowed[token >> 5]! >>> (token & 31)) & 1) === 1;

/** Sets the scores of the other tokens to −∞. */
function keepAllowed(scores: Float32Array, allowed: Int32Array): void {
  for (let token = 0; token < scores.length; token++)
    if (!isAllowed(allowed, token)) scores[token] = Number.NEGATIVE_INFINITY;
}

/** @throws BidoraError `JSON_SCHEMA` for a token that was chosen since there was no other */
function requireAllowed(allowed: Int32Array, token: number): void {
  if (isAllowed(allowed, token)) return;
  throw new BidoraError(
    "JSON_SCHEMA",
    "No token may come next: the generation settings exclude all that the JSON schema allows, or the vocabulary has none of them.",
  );
}

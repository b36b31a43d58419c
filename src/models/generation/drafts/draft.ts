// Speculative decoding: tokens that are cheap to propose are checked by the model in one pass, which computes several tokens in little more
// time than one. The model chooses each token as it would without, from the same random number, and goes on along the proposal as long as
// it chooses the same tokens: so proposals change no token (arXiv 2211.17192, section 2.3, accepts differently, for the same distribution).

import type { TaskModel } from "../../index.js";
import { hasIntegerPasses } from "../sequenceBatch.js";

/** A sequence that tokens are proposed for. */
export interface DraftedSequence {
  readonly ids: readonly number[];
  /** The most tokens to propose. */
  readonly most: number;
}

/** Proposes the next tokens of the sequences of a batch. */
export interface Drafter {
  /** @returns for each sequence at most as many tokens as it may have */
  propose(sequences: readonly DraftedSequence[]): readonly (readonly number[])[];
  /** As the batch's: see `SequenceBatch`. */
  add(tokens: readonly number[]): void;
  select(sequences: readonly number[]): void;
  dispose(): void;
}

/** How tokens are proposed. */
export interface Draft {
  /** The most tokens to propose at once. */
  readonly tokens: number;
  /** The bytes that a token of a sequence takes. */
  readonly bytesPerToken: number;
  /** Starts to propose tokens for a batch with so many sequences. */
  start(sequences: number): Drafter;
}

/** The default for the most tokens to propose at once. */
export const DRAFT_TOKENS = 10;

// Prompt lookup: what followed the last tokens of a sequence where they occurred before is proposed again.

/** The sizes of the n-grams that are looked for, the first first. */
const SIZES = [3, 2];

/** Drafts from the text so far, as with transformers' `prompt_lookup_num_tokens`. */
export const ngramDraft = (tokens = DRAFT_TOKENS): Draft => ({ tokens, bytesPerToken: 0, start: () => NGRAMS });

const NGRAMS: Drafter = {
  propose: (sequences) => sequences.map(proposal),
  add: () => {},
  select: () => {},
  dispose: () => {},
};

/** What followed the latest earlier occurrence. It may go on into what is proposed, as in a text that repeats itself. */
function proposal({ ids, most }: DraftedSequence): readonly number[] {
  const start = most > 0 ? SIZES.map((size) => startAfter(ids, size)).find((at) => at !== undefined) : undefined;
  if (start === undefined) return [];
  const draft: number[] = [];
  for (let at = start; draft.length < most; at++) draft.push(ids[at] ?? draft[at - ids.length]!);
  return draft;
}

/** The place after the latest earlier occurrence of the last `size` tokens. */
function startAfter(ids: readonly number[], size: number): number | undefined {
  for (let end = ids.length - 1; end >= size; end--) {
    let same = 0;
    while (same < size && ids[end - 1 - same] === ids[ids.length - 1 - same]) same++;
    if (same === size) return end;
  }
  return undefined;
}

// How many tokens are proposed for each sequence of a batch

/** How many tokens are proposed for a sequence at first. */
const FIRST = 5;
/** How many more after a draft that was taken as a whole, and how many fewer after another one, as in transformers. */
const [MORE, FEWER] = [2, 1];

/** The most tokens of a pass that adds up whole numbers, where drafts are a part of it: with more, each takes as long as without a draft. */
const MOST_IN_INTEGER_PASS = 8;

/** A sequence's last draft. */
interface Proposed {
  /** The length of the sequence before it. */
  readonly after: number;
  readonly draft: readonly number[];
  /** The most tokens to propose. */
  readonly limit: number;
}

/** The drafts of a batch. */
export class Drafting {
  readonly #drafter: Drafter;
  readonly #hasIntegerPasses: boolean;
  #proposed: readonly Proposed[];

  /** @param model that the tokens are proposed to */
  constructor(
    private readonly model: TaskModel,
    private readonly draft: Draft,
    sequences: number,
  ) {
    this.#drafter = draft.start(sequences);
    this.#hasIntegerPasses = hasIntegerPasses(model);
    this.#proposed = Array.from({ length: sequences }, () => NONE);
  }

  /** Proposes the next tokens of each sequence. Without any, `most` is 0. */
  propose(sequences: readonly DraftedSequence[]): readonly (readonly number[])[] {
    const limits = sequences.map(({ ids }, i) => Math.min(nextLimit(this.#proposed[i]!, ids), this.draft.tokens));
    const drafts = this.#drafter.propose(
      sequences.map(({ ids, most }, i) => {
        const limit = Math.min(most, limits[i]!, this.#mostOfPass(sequences.length, i, ids.length));
        return { ids, most: this.#mostAfter(ids.length, limit) };
      }),
    );
    this.#proposed = sequences.map(({ ids }, i) => ({
      after: ids.length,
      draft: drafts[i]!,
      limit: limits[i]!,
    }));
    return drafts;
  }

  /** With packed weights, a draft must not change which tokens are computed as whole numbers: those after cached tokens. */
  #mostOfPass(sequences: number, sequence: number, length: number): number {
    if (!this.#hasIntegerPasses) return Number.POSITIVE_INFINITY;
    const { after } = this.#proposed[sequence]!;
    if (after === 0 || !this.model.backbone.cacheStaysValid(after, length)) return 0;
    return Math.max(0, Math.floor(MOST_IN_INTEGER_PASS / sequences) - 1);
  }

  /** The model computes the tokens of a pass at one length of the sequence, so that it must not pass its positions, or change its RoPE. */
  #mostAfter(length: number, limit: number): number {
    const { backbone, config } = this.model;
    let most = Math.max(0, Math.min(limit, config.maxTokens - length));
    while (most > 0 && !backbone.cacheStaysValid(length, length + most)) most--;
    return most;
  }

  add(tokens: readonly number[]): void {
    this.#drafter.add(tokens);
    this.#proposed = [...this.#proposed, ...tokens.map(() => NONE)];
  }

  select(sequences: readonly number[]): void {
    this.#drafter.select(sequences);
    this.#proposed = sequences.map((sequence) => this.#proposed[sequence]!);
  }

  dispose(): void {
    this.#drafter.dispose();
  }
}

const NONE: Proposed = { after: 0, draft: [], limit: FIRST };

/** @param ids the sequence now */
function nextLimit({ after, draft, limit }: Proposed, ids: readonly number[]): number {
  if (draft.length === 0) return limit;
  const isTaken = draft.every((token, i) => ids[after + i] === token);
  return isTaken ? limit + MORE : Math.max(1, limit - FEWER);
}

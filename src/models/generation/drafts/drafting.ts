/** The drafts of a batch: how many tokens are proposed for each sequence. */
import type { TaskModel } from "../../index.js";
import { hasIntegerPasses } from "../integerPasses.js";
import type { Draft, DraftedSequence, Drafter } from "./draft.js";

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
    const limits = sequences.map(({ ids }, i) =>
      Math.min(nextLimit(this.#proposed[i] as Proposed, ids), this.draft.tokens),
    );
    const drafts = this.#drafter.propose(
      sequences.map(({ ids, most }, i) => {
        const limit = Math.min(most, limits[i] as number, this.#mostOfPass(sequences.length, i, ids.length));
        return { ids, most: this.#mostAfter(ids.length, limit) };
      }),
    );
    this.#proposed = sequences.map(({ ids }, i) => ({
      after: ids.length,
      draft: drafts[i] as readonly number[],
      limit: limits[i] as number,
    }));
    return drafts;
  }

  /** With packed weights, a draft must not change which tokens are computed as whole numbers: those after cached tokens. */
  #mostOfPass(sequences: number, sequence: number, length: number): number {
    if (!this.#hasIntegerPasses) return Number.POSITIVE_INFINITY;
    const { after } = this.#proposed[sequence] as Proposed;
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
    this.#proposed = sequences.map((sequence) => this.#proposed[sequence] as Proposed);
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

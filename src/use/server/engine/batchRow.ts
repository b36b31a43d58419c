/** A job in a batch: first its prompt is computed, in parts, then a token in each step. */
import {
  type Continued,
  type DraftedSequence,
  draftedOf,
  finite,
  follow,
  newSearch,
  type Search,
  type SequenceTokens,
  tokensOf,
} from "../../../models/generation/index.js";
import { type Job, type JobStep, logprobsOf, type TokenLogprobs } from "./job.js";

/** The most tokens of a prompt in one step if the logits after each are needed. */
const MOST_SCORED = 64;

export class BatchRow {
  readonly #search: Search | undefined;
  /** How many tokens of the prompt have been computed. */
  #computed = 0;
  /** How many of them will have been after this step. */
  #upTo = 0;
  /** Rows with the same prompt, which begin when it is computed. */
  #followers: readonly BatchRow[] = [];

  constructor(readonly job: Job) {
    const { prompt, settings, isStopped } = job;
    if (prompt.maxNewTokens > 0) this.#search = newSearch(prompt, settings, isStopped);
  }

  /** The row and those that wait for its prompt. */
  get all(): readonly BatchRow[] {
    return [this, ...this.#followers];
  }

  /** Lets a row of another choice wait for the prompt. @returns false if it has another prompt, or this one's is computed in part */
  lead(other: BatchRow): boolean {
    const { adapter, prompt } = this.job;
    const isSame = other.job.prompt.ids === prompt.ids && other.job.adapter === adapter;
    if (!isSame || this.#computed > 0) return false;
    this.#followers = [...this.#followers, other];
    return true;
  }

  /** How many tokens of the prompt are still to be computed. */
  get remaining(): number {
    return this.job.prompt.ids.length - this.#computed;
  }

  /** How many tokens its sequences are expected to have. */
  get expectedTokens(): number {
    const { ids, maxNewTokens } = this.job.prompt;
    return ids.length + Math.min(maxNewTokens, EXPECTED_NEW);
  }

  /** Its sequences, and how many tokens may be proposed for each. */
  get drafted(): readonly DraftedSequence[] {
    const { ids } = this.job.prompt;
    if (this.remaining > 0 || !this.#search) return [{ ids: ids.slice(0, this.#computed), most: 0 }];
    return draftedOf(this.#search);
  }

  /**
   * Says how much of its prompt this step computes.
   * @param share the most tokens of a prompt to compute
   * @param canPause whether a prompt can be computed up to so many of its tokens, and continued later
   */
  plan(share: number, canPause: (tokens: number, of: number) => boolean): void {
    const { length } = this.job.prompt.ids;
    const most = this.#scoresPrompt ? Math.min(share, MOST_SCORED) : share;
    const wanted = this.#computed + Math.min(this.remaining, most);
    this.#upTo = canPause(wanted, length) ? wanted : length;
  }

  get #scoresPrompt(): boolean {
    return this.job.logprobs?.ofPrompt === true;
  }

  /** Its sequences in this step. @param draft proposed for its only sequence */
  sequences(draft: readonly number[]): readonly SequenceTokens[] {
    if (this.remaining === 0) return tokensOf(this.#search as Search, draft);
    const ids = this.job.prompt.ids.slice(0, this.#upTo);
    return [{ ids, wanted: this.#scoresPrompt ? this.#upTo - this.#computed : 1, isPrompt: true }];
  }

  /**
   * Takes the logits of its sequences.
   * @param draft that was proposed
   * @returns the row, and at the end of the prompt those that waited for it
   * @throws BidoraError `NOT_FINITE`
   */
  async advance(
    logits: readonly (readonly Float32Array[])[],
    draft: readonly number[],
  ): Promise<readonly Continued<BatchRow>[]> {
    if (this.remaining === 0) return [{ row: this, parents: await this.#extend(logits, draft) }];
    for (const own of logits.flat()) finite(own);
    const promptLogprobs = this.#scorePrompt(logits[0] as readonly Float32Array[]);
    this.#computed = this.#upTo;
    const rows = this.all;
    if (this.remaining > 0) {
      for (const row of rows) row.#report({ promptLogprobs });
      return [{ row: this, parents: [0] }];
    }
    this.#followers = [];
    const last = logits.map((own) => own.slice(-1));
    return Promise.all(rows.map(async (row) => ({ row, parents: await row.#begin(last, promptLogprobs) })));
  }

  /** Adds the first token after the prompt. */
  async #begin(
    logits: readonly (readonly Float32Array[])[],
    promptLogprobs: readonly TokenLogprobs[],
  ): Promise<readonly number[]> {
    this.#computed = this.job.prompt.ids.length;
    try {
      return await this.#extend(logits.map(copies), [], promptLogprobs); // the search changes them
    } catch (error) {
      this.job.onError(error);
      return [];
    }
  }

  /** Adds a token to each sequence, or those that it chooses along its draft. */
  async #extend(
    logits: readonly (readonly Float32Array[])[],
    draft: readonly number[],
    promptLogprobs: readonly TokenLogprobs[] = [],
  ): Promise<readonly number[]> {
    if (!this.#search) {
      this.#report({ promptLogprobs, finish: "length" });
      return [];
    }
    const { logprobs } = this.job;
    const before = logprobs && copies(logits[0] as readonly Float32Array[]); // the search changes them
    const { tokens, finish, parents } = await follow(this.#search, logits, draft);
    const scored = before ? tokens.map((token, i) => logprobsOf(before[i] as Float32Array, token, logprobs.top)) : [];
    this.#report({ tokens, finish, logprobs: scored, promptLogprobs });
    return finish === undefined ? parents : [];
  }

  #report(step: Partial<JobStep>): void {
    this.job.onStep({ tokens: [], finish: undefined, logprobs: [], promptLogprobs: [], ...step });
  }

  /** The tokens after those that this step computes. @param logits after each of these */
  #scorePrompt(logits: readonly Float32Array[]): TokenLogprobs[] {
    const { logprobs, prompt } = this.job;
    if (!logprobs?.ofPrompt) return [];
    const scored: TokenLogprobs[] = [];
    for (let at = this.#computed; at < this.#upTo; at++) {
      const next = prompt.ids[at + 1];
      if (next !== undefined) scored.push(logprobsOf(logits[at - this.#computed] as Float32Array, next, logprobs.top));
    }
    return scored;
  }
}

/** A job's sequences are allocated for at most so many new tokens at first. */
const EXPECTED_NEW = 256;

const copies = (all: readonly Float32Array[]): Float32Array[] => all.map((one) => one.slice());

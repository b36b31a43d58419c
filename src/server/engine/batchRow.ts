/** A job in a batch: first its prompt is computed, in parts, then a token in each step. */
import { BidoraError } from "../../common/errors.js";
import { areFinite, type NewTokens, newSearch, type Search } from "../../generation/index.js";
import type { Job, JobStep } from "./job.js";
import { logprobsOf, type TokenLogprobs } from "./logprobs.js";

/** A row after a step. */
export interface Advanced {
  readonly row: BatchRow;
  /** For each of its sequences in the next step, the index of the sequence of the step that it continues; none at the end. */
  readonly parents: readonly number[];
}

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

  /**
   * Its sequences in this step.
   * @param share the most tokens of a prompt to compute
   * @param canPause whether a prompt can be computed up to so many of its tokens, and continued later
   */
  sequences(share: number, canPause: (tokens: number, of: number) => boolean): readonly NewTokens[] {
    const { ids } = this.job.prompt;
    if (this.remaining === 0) return (this.#search as Search).sequences.map((own) => ({ ids: own }));
    const every = this.job.logprobs?.ofPrompt === true;
    const wanted = this.#computed + Math.min(this.remaining, every ? Math.min(share, MOST_SCORED) : share);
    this.#upTo = canPause(wanted, ids.length) ? wanted : ids.length;
    return [{ ids: ids.slice(0, this.#upTo), every }];
  }

  /**
   * Takes the logits of its sequences.
   * @returns the row, and at the end of the prompt those that waited for it
   * @throws BidoraError `NOT_FINITE`
   */
  async advance(logits: readonly (readonly Float32Array[])[]): Promise<readonly Advanced[]> {
    if (!logits.flat().every(areFinite))
      throw new BidoraError("NOT_FINITE", "The model's output is not a finite number; try --dtype float32.");
    if (this.remaining === 0) return [{ row: this, parents: await this.#extend(lastOf(logits), []) }];
    const promptLogprobs = this.#scorePrompt(logits[0] as readonly Float32Array[]);
    this.#computed = this.#upTo;
    const rows = this.all;
    if (this.remaining > 0) {
      for (const row of rows) row.#report({ promptLogprobs });
      return [{ row: this, parents: [0] }];
    }
    this.#followers = [];
    const last = lastOf(logits);
    return Promise.all(rows.map(async (row) => ({ row, parents: await row.#begin(last, promptLogprobs) })));
  }

  /** Adds the first token after the prompt. */
  async #begin(logits: readonly Float32Array[], promptLogprobs: readonly TokenLogprobs[]): Promise<readonly number[]> {
    this.#computed = this.job.prompt.ids.length;
    try {
      return await this.#extend(
        logits.map((own) => own.slice()), // the search changes them
        promptLogprobs,
      );
    } catch (error) {
      this.job.onError(error);
      return [];
    }
  }

  /** Adds a token to each sequence. */
  async #extend(logits: Float32Array[], promptLogprobs: readonly TokenLogprobs[]): Promise<readonly number[]> {
    if (!this.#search) {
      this.#report({ promptLogprobs, finish: "length" });
      return [];
    }
    const { logprobs } = this.job;
    const before = logprobs && (logits[0] as Float32Array).slice(); // the search changes them
    const { tokens, finish, parents } = await this.#search.advance(logits);
    const scored = before ? tokens.map((token) => logprobsOf(before, token, logprobs.top)) : [];
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

const lastOf = (logits: readonly (readonly Float32Array[])[]): Float32Array[] =>
  logits.map((own) => own.at(-1) as Float32Array);

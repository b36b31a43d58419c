// Beam search as in transformers 5, including its rounding: values that it computes in float32 are rounded to float32. Comments name the
// functions of transformers' `_beam_search`.

import type { BeamSettings, GenerationSettings } from "./generationSettings.js";
import { type Processor, processorsOf, sampleSeveral, topK, warp } from "./sampling.js";
import { endOf, type Finish, type Prompt, type Search, type SearchStep, type StopCheck } from "./search.js";

/** Added to the scores of sequences that must not be selected. */
const NONE = -1e9;

/** A sequence with one more token. */
interface Candidate {
  readonly ids: readonly number[];
  /** The beam that it extends. */
  readonly parent: number;
  /** The sum of the log-probabilities of its new tokens. */
  readonly score: number;
  /** Why it ends with this token, if it does. */
  readonly finish: Finish | undefined;
}

/** A finished sequence, or an empty slot for one. */
interface Hypothesis {
  readonly ids: readonly number[];
  readonly score: number;
  readonly finish: Finish | undefined;
}

/** Settings with beams. */
type WithBeams = GenerationSettings & { readonly beams: BeamSettings };

/** Finds the best continuation of one prompt. */
export class BeamSearch implements Search {
  readonly #settings: WithBeams;
  readonly #isStopped: StopCheck | undefined;
  readonly #processors: readonly Processor[];
  readonly #promptLength: number;
  readonly #maxNewTokens: number;
  readonly #uniform: Prompt["uniform"] | undefined;
  #running: readonly Pick<Candidate, "ids" | "score">[];
  #finished: readonly Hypothesis[];
  #canImprove = true;

  constructor(
    { ids: prompt, maxNewTokens, uniform }: Omit<Prompt, "uniform"> & Partial<Prompt>,
    settings: WithBeams,
    isStopped?: StopCheck,
  ) {
    this.#uniform = uniform;
    this.#settings = settings;
    this.#isStopped = isStopped;
    this.#processors = processorsOf(settings);
    this.#promptLength = prompt.length;
    this.#maxNewTokens = maxNewTokens;
    const beams = Array.from({ length: settings.beams.count }, (_, i) => i);
    // In the first step only the first beam may be selected; otherwise all beams would choose the same tokens.
    this.#running = beams.map((beam) => ({ ids: prompt, score: beam === 0 ? 0 : NONE }));
    this.#finished = beams.map(() => ({ ids: prompt, score: NONE, finish: undefined }));
  }

  /** The beams; in the first step only the prompt. */
  get sequences(): readonly (readonly number[])[] {
    const all = this.#running.map(({ ids }) => ids);
    return this.#length === 0 ? all.slice(0, 1) : all;
  }

  get mostDrafted(): number {
    return 0;
  }

  get #best(): SearchStep {
    const { ids, finish = "length" } = this.#finished[0]!;
    return { tokens: ids.slice(this.#promptLength), finish, parents: [] };
  }

  /** The number of new tokens in each beam. */
  get #length(): number {
    return (this.#running[0]?.ids.length as number) - this.#promptLength;
  }

  /** Adds a token to each beam. The result's tokens are known only when the search ends. */
  async advance(logits: readonly Float32Array[]): Promise<SearchStep> {
    const candidates = await this.#candidates(logits);
    const length = this.#length + 1;
    const next = best(
      candidates,
      candidates.map(({ score, finish }) => withNone(score, finish !== undefined)),
      this.#settings.beams.count,
    );
    this.#keepFinished(candidates, length);
    this.#running = next.map(([candidate, score]) => ({ ids: candidate.ids, score }));
    this.#canImprove &&= this.#mayImprove(length);
    const isFull = this.#isFull && this.#settings.beams.earlyStopping === true;
    const isOver = !this.#canImprove || isFull || candidates.every(({ finish }) => finish !== undefined);
    if (isOver) return this.#best;
    const parents = next.map(([{ parent }]) => (logits.length === 1 ? 0 : parent));
    return { tokens: [], finish: undefined, parents };
  }

  get #isFull(): boolean {
    return this.#finished.every(({ finish }) => finish !== undefined);
  }

  /** The most likely or sampled sequences, enough that `count` of them continue even if others end (`_get_top_k_continuations`). */
  async #candidates(logits: readonly Float32Array[]): Promise<Candidate[]> {
    const { endTokens, sampling } = this.#settings;
    const [promptLength, maxNewTokens] = [this.#promptLength, this.#maxNewTokens];
    const { count } = this.#settings.beams;
    const ways = Math.max(2, 1 + endTokens.length);
    const width = logits[0]!.length;
    const sums = new Float32Array(count * width);
    for (const [beam, { ids, score }] of this.#running.entries()) {
      const scores = logSoftmax(logits[logits.length === 1 ? 0 : beam]!);
      for (const process of this.#processors) process(scores, { ids, promptLength, maxNewTokens });
      if (sampling) warp(scores, sampling, ways);
      for (let token = 0; token < width; token++) sums[beam * width + token] = scores[token]! + score;
    }
    const taken = sampling
      ? sampleSeveral(sums, ways * count, this.#uniform as () => number)
      : topK(sums, ways * count);
    const found = Array.from(taken, async (index) => {
      const [parent, token] = [Math.floor(index / width), index % width];
      const ids = [...this.#running[parent]!.ids, token];
      const tokens = ids.slice(promptLength);
      const isFull = tokens.length >= maxNewTokens;
      const finish = (await endOf(tokens, this.#settings, this.#isStopped)) ?? (isFull ? "length" : undefined);
      return { ids, parent, score: sums[index]!, finish } as const;
    });
    return Promise.all(found);
  }

  /** Keeps the best `count` finished sequences (`_update_finished_beams`). @param length the candidates' number of new tokens */
  #keepFinished(candidates: readonly Candidate[], length: number): void {
    const { count, lengthPenalty, earlyStopping } = this.#settings.beams;
    const isClosed = this.#isFull && earlyStopping === true;
    const ended = candidates.map(({ ids, score, finish }, rank): Hypothesis => {
      const isKept = finish !== undefined && rank < count;
      const parts = [isClosed, !this.#canImprove, !isKept];
      const penalized = Math.fround(score / Math.fround(length ** lengthPenalty));
      return { ids, score: parts.reduce(withNone, penalized), finish: isKept ? finish : undefined };
    });
    const all = [...this.#finished, ...ended];
    this.#finished = best(
      all,
      all.map(({ score }) => score),
      count,
    ).map(([hypothesis]) => hypothesis);
  }

  /** Whether the best beam may become better than the worst finished sequence (`_check_early_stop_heuristic`). */
  #mayImprove(length: number): boolean {
    const { lengthPenalty, earlyStopping } = this.#settings.beams;
    const most = earlyStopping === "never" && lengthPenalty > 0 ? this.#maxNewTokens : length;
    const possible = Math.fround((this.#running[0]?.score as number) / Math.fround(most ** lengthPenalty));
    const worst = this.#finished.reduce((least, { score }) => Math.min(least, score), Number.POSITIVE_INFINITY);
    return this.#finished.some(({ finish }) => possible > (finish === undefined ? NONE : worst));
  }
}

const withNone = (score: number, isNone: boolean): number => (isNone ? Math.fround(score + NONE) : score);

/** The `count` items with the highest scores, and their scores. */
function best<T>(items: readonly T[], scores: readonly number[], count: number): [T, number][] {
  return Array.from(topK(Float32Array.from(scores), count), (i) => [items[i]!, scores[i]!]);
}

function logSoftmax(logits: Float32Array): Float32Array {
  let most = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > most) most = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  const log = Math.log(sum);
  return logits.map((logit) => logit - most - log);
}

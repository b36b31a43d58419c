// Names in comments are those of transformers' `_beam_search`.
import type { Finish, Prompt } from "./generateTokens.js";
import { type Processor, processorsOf } from "./processors.js";
import { drawSeveral, warp } from "./sampling.js";
import type { BeamSettings, GenerationSettings } from "./settings.js";
import { topK } from "./topK.js";

/** Scores that stand for none are this much lower. */
const NONE = -1e9;

/** A continuation with one more token. */
interface Candidate {
  readonly ids: readonly number[];
  /** The beam that it goes on from. */
  readonly parent: number;
  /** The sum of its tokens' log-probabilities. */
  readonly score: number;
  /** Why it ends here, if it does. */
  readonly finish: Finish | undefined;
}

/** A continuation that has ended, or the place of one. */
interface Hypothesis {
  readonly ids: readonly number[];
  readonly score: number;
  readonly finish: Finish | undefined;
}

type Stopped = ((tokens: readonly number[]) => Promise<boolean>) | undefined;

/** The search for one prompt's best continuation. */
export class Beams {
  readonly #settings: GenerationSettings;
  readonly #own: BeamSettings;
  readonly #processors: readonly Processor[];
  readonly #promptLength: number;
  readonly #maxNewTokens: number;
  readonly #uniform: Prompt["uniform"] | undefined;
  #running: readonly Pick<Candidate, "ids" | "score">[];
  #finished: readonly Hypothesis[];
  #canImprove = true;

  constructor(
    { ids: prompt, maxNewTokens, uniform }: Omit<Prompt, "uniform"> & Partial<Prompt>,
    settings: GenerationSettings,
  ) {
    this.#uniform = uniform;
    this.#settings = settings;
    this.#own = settings.beams as BeamSettings;
    this.#processors = processorsOf(settings);
    this.#promptLength = prompt.length;
    this.#maxNewTokens = maxNewTokens;
    const places = Array.from({ length: this.#own.count }, (_, i) => i);
    // All but one count for nothing at first, as else each would find the same.
    this.#running = places.map((place) => ({ ids: prompt, score: place === 0 ? 0 : NONE }));
    this.#finished = places.map(() => ({ ids: prompt, score: NONE, finish: undefined }));
  }

  /** The sequences to go on with: at first the prompt alone. */
  get sequences(): readonly (readonly number[])[] {
    const all = this.#running.map(({ ids }) => ids);
    return this.#length === 0 ? all.slice(0, 1) : all;
  }

  /** The best continuation. */
  get best(): { readonly tokens: readonly number[]; readonly finish: Finish } {
    const { ids, finish = "length" } = this.#finished[0] as Hypothesis;
    return { tokens: ids.slice(this.#promptLength), finish };
  }

  /** Tokens that running continuations have. */
  get #length(): number {
    return (this.#running[0]?.ids.length as number) - this.#promptLength;
  }

  /**
   * Adds a token to each continuation.
   * @param logits of each of `sequences`
   * @returns which of `sequences` each of the new ones goes on from; undefined when the search has ended
   */
  async advance(logits: readonly Float32Array[], isStopped: Stopped): Promise<number[] | undefined> {
    const candidates = await this.#candidates(logits, isStopped);
    const length = this.#length + 1;
    const next = best(
      candidates,
      candidates.map(({ score, finish }) => withNone(score, finish !== undefined)),
      this.#own.count,
    );
    this.#keepFinished(candidates, length);
    this.#running = next.map(([candidate, score]) => ({ ids: candidate.ids, score }));
    this.#canImprove &&= this.#mayImprove(length);
    const isFull = this.#isFull && this.#own.earlyStopping === true;
    const isOver = !this.#canImprove || isFull || candidates.every(({ finish }) => finish !== undefined);
    return isOver ? undefined : next.map(([{ parent }]) => (logits.length === 1 ? 0 : parent));
  }

  get #isFull(): boolean {
    return this.#finished.every(({ finish }) => finish !== undefined);
  }

  /** The likeliest continuations, or some that are drawn, enough of them that `count` go on whichever end (`_get_top_k_continuations`). */
  async #candidates(logits: readonly Float32Array[], isStopped: Stopped): Promise<Candidate[]> {
    const { endTokens, stopTokens, sampling } = this.#settings;
    const [promptLength, maxNewTokens] = [this.#promptLength, this.#maxNewTokens];
    const { count } = this.#own;
    const ways = Math.max(2, 1 + endTokens.length);
    const width = (logits[0] as Float32Array).length;
    const sums = new Float32Array(count * width);
    for (const [beam, { ids, score }] of this.#running.entries()) {
      const scores = logSoftmax(logits[logits.length === 1 ? 0 : beam] as Float32Array);
      for (const process of this.#processors) process(scores, { ids, promptLength, maxNewTokens });
      if (sampling) warp(scores, sampling, ways);
      for (let token = 0; token < width; token++) sums[beam * width + token] = (scores[token] as number) + score;
    }
    const taken = sampling ? drawSeveral(sums, ways * count, this.#uniform as () => number) : topK(sums, ways * count);
    const found = Array.from(taken, async (index) => {
      const [parent, token] = [Math.floor(index / width), index % width];
      const ids = [...(this.#running[parent] as Candidate).ids, token];
      const tokens = ids.slice(promptLength);
      const isStop = async () => stopTokens.includes(token) || (await isStopped?.(tokens));
      const finish = endTokens.includes(token) ? "eos" : (await isStop()) ? "stop" : undefined;
      const isLong = tokens.length >= maxNewTokens;
      return { ids, parent, score: sums[index] as number, finish: finish ?? (isLong ? "length" : undefined) } as const;
    });
    return Promise.all(found);
  }

  /** Of what has ended the best `count` are kept (`_update_finished_beams`). @param length of the candidates, in new tokens */
  #keepFinished(candidates: readonly Candidate[], length: number): void {
    const { count, lengthPenalty, earlyStopping } = this.#own;
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

  /** Whether the best that runs may become better than the worst that has ended (`_check_early_stop_heuristic`). */
  #mayImprove(length: number): boolean {
    const { lengthPenalty, earlyStopping } = this.#own;
    const most = earlyStopping === "never" && lengthPenalty > 0 ? this.#maxNewTokens : length;
    const possible = Math.fround((this.#running[0]?.score as number) / Math.fround(most ** lengthPenalty));
    const worst = this.#finished.reduce((least, { score }) => Math.min(least, score), Number.POSITIVE_INFINITY);
    return this.#finished.some(({ finish }) => possible > (finish === undefined ? NONE : worst));
  }
}

const withNone = (score: number, isNone: boolean): number => (isNone ? Math.fround(score + NONE) : score);

/** The `count` items of the highest scores, with these. */
function best<T>(items: readonly T[], scores: readonly number[], count: number): [T, number][] {
  return Array.from(topK(Float32Array.from(scores), count), (i) => [items[i] as T, scores[i] as number]);
}

function logSoftmax(logits: Float32Array): Float32Array {
  let most = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > most) most = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  const log = Math.log(sum);
  return logits.map((logit) => logit - most - log);
}

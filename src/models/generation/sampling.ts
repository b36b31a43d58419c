// From logits to a token: transformers' logits processors in their order, which change scores before any choice; then, in sampling, its
// warpers in their order, and a draw from the remaining probabilities.
import type { GenerationSettings, SamplingSettings } from "./generationSettings.js";

/**
 * Samples a token: the first in vocabulary order at which the cumulative probability exceeds a random number.
 * @param scores logits, which are changed
 * @param uniform a random number in [0, 1)
 */
export function sample(scores: Float32Array, settings: SamplingSettings, uniform: number): number {
  warp(scores, settings);
  return draw(softmax(scores), uniform);
}

/** The first index at which the cumulative weight exceeds a share of the total; 0 if all weights are 0. */
function draw({ weights, total }: Weights, uniform: number): number {
  let sum = 0;
  let last = 0;
  for (let token = 0; token < weights.length; token++) {
    const weight = weights[token]!;
    if (weight === 0) continue;
    sum += weight;
    last = token;
    if (sum > uniform * total) break;
  }
  return last;
}

/**
 * Samples several indices without replacement. If only weights of 0 are left, takes the highest scores.
 * @param uniform random numbers in [0, 1), one per index
 * @returns the indices in order of decreasing score
 */
export function sampleSeveral(scores: Float32Array, count: number, uniform: () => number): Int32Array {
  const { weights } = softmax(scores);
  const sampled = new Set<number>();
  while (sampled.size < count) {
    const number = uniform();
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    if (total === 0) break;
    const index = draw({ weights, total }, number);
    sampled.add(index);
    weights[index] = 0;
  }
  const others = topK(scores, count).filter((index) => !sampled.has(index));
  for (const index of others.subarray(0, count - sampled.size)) sampled.add(index);
  const byScore = (a: number, b: number) => scores[b]! - scores[a]!;
  return Int32Array.from(sampled).sort(byScore);
}

/** Any lower temperature gives the same tokens, but scores divided by it may be infinite. */
const LEAST_TEMPERATURE = 1e-30;

/**
 * Sets the scores of tokens that must not be sampled to −∞.
 * @param least the minimum number of tokens to keep
 */
export function warp(scores: Float32Array, { temperature, topK: k, topP, minP }: SamplingSettings, least = 1): void {
  const divisor = Math.max(temperature, LEAST_TEMPERATURE);
  if (divisor !== 1) scores.set(scores.map((score) => score / divisor));
  if (k > 0) keepLargest(scores, Math.max(k, least));
  if (topP < 1) keepNucleus(scores, topP, least);
  if (minP !== undefined) keepLikely(scores, minP, least);
}

/** Keeps the `k` largest scores and ties with the k-th. */
function keepLargest(scores: Float32Array, k: number): void {
  if (k >= scores.length) return;
  const least = scores[topK(scores, k).at(-1) as number]!;
  drop(scores, (score) => score < least);
}

/**
 * Drops the least likely tokens while their probabilities add up to at most 1 − `topP`, but keeps `least` tokens. Among ties, the first
 * are dropped first.
 */
function keepNucleus(scores: Float32Array, topP: number, least: number): void {
  const { weights, total } = softmax(scores);
  const most = (1 - topP) * total;
  // Tokens below this share add up to less than `most`, so they are always dropped; only the others need sorting.
  const share = most / weights.length;
  const sorted: number[] = [];
  let sum = 0;
  for (let token = 0; token < weights.length; token++) {
    const weight = weights[token]!;
    if (weight >= share && weight > 0) sorted.push(token);
    else sum += weight;
  }
  sorted.sort((a, b) => scores[a]! - scores[b]! || a - b);
  const stay = sorted.findIndex((token) => {
    sum += weights[token]!;
    return sum > most;
  });
  const first = Math.min(stay < 0 ? sorted.length - 1 : stay, sorted.length - least);
  const kept = new Set(first < 0 ? topK(scores, least) : sorted.slice(first));
  drop(scores, (_, token) => !kept.has(token));
}

/** Keeps tokens with at least `minP` of the most likely token's probability. */
function keepLikely(scores: Float32Array, minP: number, least: number): void {
  const { weights } = softmax(scores); // the most likely token's weight is 1
  const kept = new Set(topK(scores, least));
  drop(scores, (_, token) => weights[token]! < minP && !kept.has(token));
}

function drop(scores: Float32Array, isDropped: (score: number, token: number) => boolean): void {
  for (let token = 0; token < scores.length; token++)
    if (isDropped(scores[token]!, token)) scores[token] = Number.NEGATIVE_INFINITY;
}

/** Probabilities relative to the most likely token's, and their sum. */
interface Weights {
  readonly weights: Float64Array;
  readonly total: number;
}

function softmax(scores: Float32Array): Weights {
  let most = Number.NEGATIVE_INFINITY;
  for (const score of scores) if (score > most) most = score;
  const weights = new Float64Array(scores.length);
  let total = 0;
  for (let token = 0; token < scores.length; token++) {
    const score = scores[token]!;
    if (score === Number.NEGATIVE_INFINITY) continue; // like most tokens after top-k
    const weight = Math.exp(score - most);
    weights[token] = weight;
    total += weight;
  }
  return { weights, total };
}

/**
 * The indices of the `k` largest values in decreasing order; ties are in index order. A min-heap holds the largest so far.
 */
export function topK(values: Float32Array, k: number): Int32Array {
  const heap = new Int32Array(Math.min(k, values.length));
  const isWorse = (a: number, b: number) => {
    const [x, y] = [values[a]!, values[b]!];
    return x < y || (x === y && a > b);
  };
  for (let i = 0; i < heap.length; i++) heap[i] = i;
  for (let i = heap.length >> 1; i >= 0; i--) sink(heap, i, isWorse);
  for (let i = heap.length; i < values.length; i++) {
    if (values[i]! <= values[heap[0]!]!) continue;
    heap[0] = i;
    sink(heap, 0, isWorse);
  }
  return heap.sort((a, b) => (isWorse(a, b) ? 1 : -1));
}

function sink(heap: Int32Array, start: number, isWorse: (a: number, b: number) => boolean): void {
  const moved = heap[start]!;
  let hole = start;
  for (;;) {
    let child = 2 * hole + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isWorse(heap[child + 1]!, heap[child]!)) child++;
    if (!isWorse(heap[child]!, moved)) break;
    heap[hole] = heap[child]!;
    hole = child;
  }
  heap[hole] = moved;
}

// Processors

/** The current state of a sequence. */
export interface Sequence {
  /** The prompt and the new tokens. */
  readonly ids: readonly number[];
  readonly promptLength: number;
  /** The maximum number of new tokens. */
  readonly maxNewTokens: number;
}

/** Changes the scores of the next token in place: logits, or log-probabilities with beams. */
export type Processor = (scores: Float32Array, sequence: Sequence) => void;

/** The processors that the settings need. */
export function processorsOf(settings: GenerationSettings): Processor[] {
  const { repetitionPenalty, noRepeatNgram, minLength, minNewTokens, endTokens } = settings;
  const { forcedBosToken, forcedEosTokens, suppressTokens, beginSuppressTokens } = settings;
  const processors: (Processor | undefined | false)[] = [
    repetitionPenalty !== 1 && penalizeRepetition(repetitionPenalty),
    noRepeatNgram > 0 && banRepeatedNgrams(noRepeatNgram),
    minLength > 0 && when(({ ids }) => ids.length < minLength, ban(endTokens)),
    minNewTokens > 0 && when((sequence) => newTokens(sequence) < minNewTokens, ban(endTokens)),
    forcedBosToken !== undefined && when(({ ids }) => ids.length === 1, force([forcedBosToken])),
    forcedEosTokens && when((sequence) => newTokens(sequence) === sequence.maxNewTokens - 1, force(forcedEosTokens)),
    suppressTokens.length > 0 && ban(suppressTokens),
    beginSuppressTokens.length > 0 && when((sequence) => isFirst(sequence, forcedBosToken), ban(beginSuppressTokens)),
  ];
  return processors.filter((processor) => typeof processor === "function");
}

const newTokens = ({ ids, promptLength }: Sequence): number => ids.length - promptLength;

/** Whether the next token is the first chosen one; a token forced after a prompt of one token does not count. */
function isFirst(sequence: Sequence, forcedBosToken: number | undefined): boolean {
  const isForced = sequence.promptLength === 1 && forcedBosToken !== undefined;
  return newTokens(sequence) === (isForced ? 1 : 0);
}

const when =
  (applies: (sequence: Sequence) => boolean, processor: Processor): Processor =>
  (scores, sequence) => {
    if (applies(sequence)) processor(scores, sequence);
  };

function ban(tokens: readonly number[]): Processor {
  return (scores) => {
    for (const token of tokens) scores[token] = Number.NEGATIVE_INFINITY;
  };
}

function force(tokens: readonly number[]): Processor {
  return (scores) => {
    scores.fill(Number.NEGATIVE_INFINITY);
    for (const token of tokens) scores[token] = 0;
  };
}

/** Penalizes each distinct token of the sequence once. */
function penalizeRepetition(penalty: number): Processor {
  return (scores, { ids }) => {
    for (const id of new Set(ids)) {
      const score = scores[id];
      if (score !== undefined) scores[id] = score < 0 ? score * penalty : score / penalty;
    }
  };
}

/** Bans each token that followed an earlier occurrence of the last `size - 1` tokens. */
function banRepeatedNgrams(size: number): Processor {
  return (scores, { ids }) => {
    const suffix = ids.length + 1 - size;
    if (suffix < 0) return;
    for (let start = 0; start < suffix; start++) {
      let same = 0;
      while (same < size - 1 && ids[start + same] === ids[suffix + same]) same++;
      const token = ids[start + size - 1]!;
      if (same === size - 1 && token < scores.length) scores[token] = Number.NEGATIVE_INFINITY;
    }
  };
}

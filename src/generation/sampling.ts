// How a token is drawn: what transformers calls warpers, in its order, and then a draw of one's own.
import type { SamplingSettings } from "./settings.js";
import { topK } from "./topK.js";

/**
 * Draws a token: the first one, in the vocabulary's order, up to which the probabilities add up to more than a uniform number.
 * @param scores logits, which are changed
 * @param uniform at least 0 and below 1
 */
export function sample(scores: Float32Array, settings: SamplingSettings, uniform: number): number {
  warp(scores, settings);
  return draw(softmax(scores), uniform);
}

/** The first index up to which weights add up to more than a share of their total; of no weights at all 0. */
function draw({ weights, total }: Weights, uniform: number): number {
  let sum = 0;
  let last = 0;
  for (let token = 0; token < weights.length; token++) {
    const weight = weights[token] as number;
    if (weight === 0) continue;
    sum += weight;
    last = token;
    if (sum > uniform * total) break;
  }
  return last;
}

/**
 * Draws several by their scores, none twice; those that have no weight come when no others are left, the highest first.
 * @param uniform numbers of at least 0 and below 1, one for each draw
 * @returns their indices, the highest scores first
 */
export function drawSeveral(scores: Float32Array, count: number, uniform: () => number): Int32Array {
  const { weights } = softmax(scores);
  const drawn = new Set<number>();
  while (drawn.size < count) {
    const number = uniform();
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    if (total === 0) break;
    const index = draw({ weights, total }, number);
    drawn.add(index);
    weights[index] = 0;
  }
  const others = topK(scores, count).filter((index) => !drawn.has(index));
  for (const index of others.subarray(0, count - drawn.size)) drawn.add(index);
  const byScore = (a: number, b: number) => (scores[b] as number) - (scores[a] as number);
  return Int32Array.from(drawn).sort(byScore);
}

/**
 * Leaves −∞ in the place of what can't be drawn.
 * @param least how many stay, whatever is said
 */
export function warp(scores: Float32Array, { temperature, topK: k, topP, minP }: SamplingSettings, least = 1): void {
  if (temperature !== 1) scores.set(scores.map((score) => score / temperature));
  if (k > 0) keepLargest(scores, Math.max(k, least));
  if (topP < 1) keepNucleus(scores, topP, least);
  if (minP !== undefined) keepLikely(scores, minP, least);
}

/** Those that equal the k-th largest stay too. */
function keepLargest(scores: Float32Array, k: number): void {
  if (k >= scores.length) return;
  const least = scores[topK(scores, k).at(-1) as number] as number;
  drop(scores, (score) => score < least);
}

/**
 * From the least likely on, tokens go as long as together they have no more than 1 − `topP`; `least` of them stay. Of equal ones the
 * first go first.
 */
function keepNucleus(scores: Float32Array, topP: number, least: number): void {
  const { weights, total } = softmax(scores);
  const most = (1 - topP) * total;
  // Whatever is below this goes, as all such tokens together do: only the others need be sorted.
  const share = most / weights.length;
  const sorted: number[] = [];
  let sum = 0;
  for (let token = 0; token < weights.length; token++) {
    const weight = weights[token] as number;
    if (weight >= share && weight > 0) sorted.push(token);
    else sum += weight;
  }
  sorted.sort((a, b) => (scores[a] as number) - (scores[b] as number) || a - b);
  const stay = sorted.findIndex((token) => {
    sum += weights[token] as number;
    return sum > most;
  });
  const first = Math.min(stay < 0 ? sorted.length - 1 : stay, sorted.length - least);
  const kept = new Set(first < 0 ? topK(scores, least) : sorted.slice(first));
  drop(scores, (_, token) => !kept.has(token));
}

/** Those stay that have `minP` of the likeliest one's probability. */
function keepLikely(scores: Float32Array, minP: number, least: number): void {
  const { weights } = softmax(scores); // the likeliest one's is 1
  const kept = new Set(topK(scores, least));
  drop(scores, (_, token) => (weights[token] as number) < minP && !kept.has(token));
}

function drop(scores: Float32Array, goes: (score: number, token: number) => boolean): void {
  for (let token = 0; token < scores.length; token++)
    if (goes(scores[token] as number, token)) scores[token] = Number.NEGATIVE_INFINITY;
}

/** Probabilities as parts of the likeliest one's, and what they add up to. */
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
    const score = scores[token] as number;
    if (score === Number.NEGATIVE_INFINITY) continue; // most are, after top-k
    const weight = Math.exp(score - most);
    weights[token] = weight;
    total += weight;
  }
  return { weights, total };
}

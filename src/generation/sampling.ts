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
  const { weights, total } = softmax(scores);
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

/** Leaves −∞ in the place of what can't be drawn. */
export function warp(scores: Float32Array, { temperature, topK: k, topP, minP }: SamplingSettings): void {
  if (temperature !== 1) scores.set(scores.map((score) => score / temperature));
  if (k > 0) keepLargest(scores, k);
  if (topP < 1) keepNucleus(scores, topP);
  if (minP !== undefined) keepLikely(scores, minP);
}

/** Those that equal the k-th largest stay too. */
function keepLargest(scores: Float32Array, k: number): void {
  if (k >= scores.length) return;
  const least = scores[topK(scores, k).at(-1) as number] as number;
  drop(scores, (score) => score < least);
}

/**
 * From the least likely on, tokens go as long as together they have no more than 1 − `topP`; one stays. Of equal ones the first go
 * first.
 */
function keepNucleus(scores: Float32Array, topP: number): void {
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
  const kept = new Set(sorted.slice(stay < 0 ? -1 : stay));
  drop(scores, (_, token) => !kept.has(token));
}

/** Those stay that have `minP` of the likeliest one's probability. */
function keepLikely(scores: Float32Array, minP: number): void {
  const { weights } = softmax(scores); // the likeliest one's is 1
  drop(scores, (_, token) => (weights[token] as number) < minP);
}

function drop(scores: Float32Array, goes: (score: number, token: number) => boolean): void {
  for (let token = 0; token < scores.length; token++)
    if (goes(scores[token] as number, token)) scores[token] = Number.NEGATIVE_INFINITY;
}

/** Probabilities as parts of the likeliest one's, and what they add up to. */
function softmax(scores: Float32Array): { readonly weights: Float64Array; readonly total: number } {
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

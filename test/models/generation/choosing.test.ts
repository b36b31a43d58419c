import { expect, test } from "vitest";
import {
  type GenerationSettings,
  GREEDY,
  type SamplingSettings,
} from "../../../src/models/generation/generationSettings.js";
import {
  processorsOf,
  type Sequence,
  sample,
  sampleSeveral,
  topK,
  warp,
} from "../../../src/models/generation/sampling.js";

const OFF = Number.NEGATIVE_INFINITY;
const SAMPLING: SamplingSettings = { temperature: 1, topK: 0, topP: 1, minP: undefined };

function processed(scores: readonly number[], settings: Partial<GenerationSettings>, sequence: Partial<Sequence>) {
  const values = Float32Array.from(scores);
  for (const process of processorsOf({ ...GREEDY, ...settings }))
    process(values, { ids: [0], promptLength: 1, maxNewTokens: 9, ...sequence });
  return Array.from(values);
}

function warped(scores: readonly number[], settings: Partial<SamplingSettings>) {
  const values = Float32Array.from(scores);
  warp(values, { ...SAMPLING, ...settings });
  return Array.from(values);
}

const logs = (...parts: number[]) => parts.map(Math.log);
const kept = (scores: readonly number[]) => scores.flatMap((score, i) => (score === OFF ? [] : [i]));

test("topK returns the largest values, of equal ones the first", () => {
  expect(Array.from(topK(Float32Array.of(1, 5, 3, 5, -1, 3, OFF), 4))).toEqual([1, 3, 2, 5]);
  expect(Array.from(topK(Float32Array.of(2, OFF, 3), 9))).toEqual([2, 0, 1]);
  const many = Float32Array.from({ length: 999 }, (_, i) => (i * 7919) % 83);
  const sorted = Array.from(many.keys()).sort((a, b) => (many[b] as number) - (many[a] as number) || a - b);
  for (const k of [1, 2, 17, 500]) expect(Array.from(topK(many, k))).toEqual(sorted.slice(0, k));
});

test("the repetition penalty applies once per token, for either sign of its score; ids beyond the scores are ignored", () => {
  expect(processed([3, -3, 6, 0], { repetitionPenalty: 1.5 }, { ids: [0, 1, 0, 1, 99] })).toEqual([2, -4.5, 6, 0]);
});

test("n-grams do not repeat", () => {
  const banned = (noRepeatNgram: number, ids: number[]) =>
    kept(processed([1, 1, 1, 1, 1], { noRepeatNgram }, { ids, promptLength: 2 }));
  expect(banned(1, [3, 1, 3])).toEqual([0, 2, 4]);
  expect(banned(2, [1, 2, 1, 3, 1])).toEqual([0, 1, 4]);
  expect(banned(3, [1, 2, 3, 0, 1, 2])).toEqual([0, 1, 2, 4]);
  expect(banned(3, [1, 2])).toEqual([0, 1, 2, 3, 4]);
  // The last tokens have no successor yet, although they overlap the tokens that they are compared with.
  expect(banned(2, [1, 1])).toEqual([0, 2, 3, 4]);
  expect(banned(3, [1, 1])).toEqual([0, 1, 2, 3, 4]);
});

test("end tokens are banned before the minimum length, suppressed tokens always", () => {
  const ends = { endTokens: [1, 3] };
  const at = (ids: number) => ({ ids: new Array<number>(ids).fill(0), promptLength: 2 });
  expect(kept(processed([1, 1, 1, 1], { ...ends, minLength: 4 }, at(3)))).toEqual([0, 2]);
  expect(kept(processed([1, 1, 1, 1], { ...ends, minLength: 4 }, at(4)))).toEqual([0, 1, 2, 3]);
  expect(kept(processed([1, 1, 1, 1], { ...ends, minNewTokens: 4 }, at(5)))).toEqual([0, 2]);
  expect(kept(processed([1, 1, 1, 1], { ...ends, minNewTokens: 4 }, at(6)))).toEqual([0, 1, 2, 3]);
  expect(kept(processed([1, 1, 1, 1], { suppressTokens: [2] }, at(6)))).toEqual([0, 1, 3]);
  expect(kept(processed([1, 1, 1, 1], { beginSuppressTokens: [2] }, at(2)))).toEqual([0, 1, 3]);
  expect(kept(processed([1, 1, 1, 1], { beginSuppressTokens: [2] }, at(3)))).toEqual([0, 1, 2, 3]);
});

test("tokens are forced after a prompt of one token, and at the end of the room", () => {
  const forced = { forcedBosToken: 2, forcedEosTokens: [1, 3], beginSuppressTokens: [0] };
  expect(processed([5, 5, 5, 5], forced, { ids: [7], promptLength: 1 })).toEqual([OFF, OFF, 0, OFF]);
  expect(kept(processed([5, 5, 5, 5], forced, { ids: [7, 2], promptLength: 1 }))).toEqual([1, 2, 3]);
  expect(kept(processed([5, 5, 5, 5], forced, { ids: [7, 2], promptLength: 2 }))).toEqual([1, 2, 3]);
  expect(processed([5, 5, 5, 5], forced, { ids: [7, 2, 5, 5], promptLength: 1, maxNewTokens: 4 })).toEqual([
    OFF,
    0,
    OFF,
    0,
  ]);
});

test("top-k keeps all tokens that equal the k-th", () => {
  expect(kept(warped([2, 3, 1, 2, 0], { topK: 2 }))).toEqual([0, 1, 3]);
  expect(kept(warped([2, 3, 1], { topK: 3 }))).toEqual([0, 1, 2]);
  expect(kept(warped([2, 3, 1], { topK: 99 }))).toEqual([0, 1, 2]);
});

test("top-p keeps the most likely tokens until they exceed it, at least one, of equal ones the last", () => {
  const scores = logs(0.1, 0.5, 0.25, 0.15);
  expect(kept(warped(scores, { topP: 0.74 }))).toEqual([1, 2]);
  expect(kept(warped(scores, { topP: 0.76 }))).toEqual([1, 2, 3]);
  expect(kept(warped(scores, { topP: 0.45 }))).toEqual([1]);
  expect(kept(warped(scores, { topP: 0 }))).toEqual([1]);
  expect(kept(warped(scores, { topP: 0.999 }))).toEqual([0, 1, 2, 3]);
  expect(kept(warped(logs(0.25, 0.25, 0.25, 0.25), { topP: 0.4 }))).toEqual([2, 3]);
  // Tokens that are dropped without being sorted count too.
  expect(kept(warped(logs(0.03, 0.03, 0.11, 0.83), { topP: 0.84 }))).toEqual([2, 3]);
});

test("min-p keeps tokens with that share of the most likely token's probability", () => {
  expect(kept(warped(logs(0.4, 0.19, 0.201, 0.3), { minP: 0.5 }))).toEqual([0, 2, 3]);
  expect(kept(warped(logs(0.4, 0.2, 0.4), { minP: 1 }))).toEqual([0, 2]);
  expect(kept(warped(logs(0.4, 0.2, 0.4), { minP: 0 }))).toEqual([0, 1, 2]);
});

test("a temperature near 0 leaves the highest score, of finite ones", () => {
  for (const temperature of [1e-30, 1e-39, 5e-324]) {
    const scores = Float32Array.of(-20, 11.000001, 11, OFF, 9);
    expect(sample(scores, { ...SAMPLING, temperature }, 0.999)).toBe(1);
    expect(scores.every((score, i) => Number.isFinite(score) === (i !== 3))).toBe(true);
    expect(kept(warped([-2, -1, -3], { temperature, topP: 0.5 }))).toEqual([1]);
    expect(kept(warped([-2, -1, -3], { temperature, minP: 0.5 }))).toEqual([1]);
  }
});

test("temperature, top-k, top-p and min-p apply in this order", () => {
  // Temperature 2 brings 16 : 4 : 1 : 1 to 4 : 2 : 1 : 1; of the first two, the one below two thirds is dropped.
  expect(kept(warped(logs(16, 4, 1, 0.9), { temperature: 2, topK: 2, topP: 0.66 }))).toEqual([0]);
  expect(kept(warped(logs(16, 4, 1, 0.9), { temperature: 2, topK: 2, topP: 0.67 }))).toEqual([0, 1]);
  expect(kept(warped(logs(16, 4, 1, 0.9), { temperature: 2, minP: 0.3 }))).toEqual([0, 1]);
  expect(kept(warped(logs(16, 4, 1, 0.9), { temperature: 1, minP: 0.3 }))).toEqual([0]);
});

test("the sampled token is the first at which the cumulative probability exceeds the random number", () => {
  const draw = (uniform: number, settings = {}) =>
    sample(Float32Array.from(logs(0.2, 0.3, 0.1, 0.4)), { ...SAMPLING, ...settings }, uniform);
  expect([0, 0.19, 0.21, 0.49, 0.51, 0.61, 0.999999].map((uniform) => draw(uniform))).toEqual([0, 0, 1, 1, 2, 3, 3]);
  expect([0, 0.42, 0.44].map((uniform) => draw(uniform, { topK: 2 }))).toEqual([1, 1, 3]);
});

test("with beams a minimum of tokens is kept", () => {
  for (const settings of [{ topK: 1 }, { topP: 0.1 }, { minP: 0.9 }, { topK: 1, topP: 0.1, minP: 0.9 }]) {
    const scores = Float32Array.from([0, 3, 1, 9, 2]);
    warp(scores, { ...SAMPLING, ...settings }, 3);
    expect(kept([...scores])).toEqual([1, 3, 4]);
  }
});

test("several tokens are sampled without replacement, sorted by score, and filled up if too few have a probability", () => {
  const scores = Float32Array.from([Math.log(2), Math.log(1), OFF, Math.log(5), -1e9]);
  const drawn = (count: number, ...numbers: number[]) => [
    ...sampleSeveral(scores, count, () => numbers.shift() as number),
  ];
  expect(drawn(2, 0.3, 0.5)).toEqual([3, 1]);
  expect(drawn(2, 0.1, 0.1)).toEqual([0, 1]);
  expect(drawn(2, 0.9, 0)).toEqual([3, 0]);
  expect(drawn(4, 0, 0, 0, 0)).toEqual([3, 0, 1, 4]);
  expect(drawn(5, 0, 0, 0, 0, 0)).toEqual([3, 0, 1, 4, 2]);
});

import { describe, expect, test } from "vitest";
import { SeededMasks } from "../../src/models/nn/index.js";
import { embedding } from "../../src/tasks/embedding/embedding.js";
import { type EncodedExample, sequenceClassification, type Task } from "../../src/tasks/index.js";
import { evenCuts, ownPartOf, shareOf } from "../../src/training/ranks/shares.js";

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const at = { file: "rows", row: 1 } as unknown as EncodedExample["at"];
const rowOf = (length: number): EncodedExample => ({
  ...{ inputIds: new Array<number>(length).fill(1), tokenTypeIds: new Array<number>(length).fill(0) },
  ...{ target: 0, at },
});

/** Lengths as MRPC's pairs of sentences have them: about 53 tokens, from 20 to 105; the same numbers each time. */
function lengthsLikeMrpc(count: number, seed: number): number[] {
  let state = seed;
  const next = () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
  return Array.from({ length: count }, () => Math.round(20 + 85 * ((next() + next() + next() + next()) / 4) ** 1.2));
}

describe("rows that are cut for ranks", () => {
  test.each([
    [[], 3, [0, 0, 0, 0]],
    [[5], 3, [0, 0, 1, 1]],
    [[1, 1], 2, [0, 1, 2]],
    [[1, 1, 1, 1, 1], 2, [0, 3, 5]],
    [[9, 1, 1, 1], 2, [0, 1, 4]],
    [[1, 1, 1, 9], 2, [0, 3, 4]],
  ])("%j for %i", (lengths, parts, cuts) => expect(evenCuts(lengths, parts)).toEqual(cuts));

  test("all rows are in one part each, in their order, whatever their lengths", () => {
    for (let seed = 1; seed <= 40; seed++)
      for (const parts of [1, 2, 3, 4, 7, 16]) {
        const lengths = lengthsLikeMrpc(seed % 23, seed);
        const cuts = evenCuts(lengths, parts);
        expect(cuts).toHaveLength(parts + 1);
        expect([cuts[0], cuts.at(-1)]).toEqual([0, lengths.length]);
        for (const [i, cut] of cuts.slice(1).entries()) expect(cut).toBeGreaterThanOrEqual(cuts[i]!);
      }
  });

  test.each([2, 3, 4])(
    "over an epoch, the slowest of %i ranks has at most 5%% more than its part of the tokens",
    (parts) => {
      let [slowest, all] = [0, 0];
      for (let batch = 1; batch <= 100; batch++) {
        const lengths = lengthsLikeMrpc(32 * parts, batch);
        const cuts = evenCuts(lengths, parts);
        const tokens = cuts.slice(1).map((end, rank) => sum(lengths.slice(cuts[rank], end)));
        slowest += Math.max(...tokens);
        all += sum(tokens);
      }
      expect((slowest * parts) / all).toBeLessThan(1.05);
    },
  );

  test("no cut is nearer to an even part by a row more or less", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const lengths = lengthsLikeMrpc(20, seed);
      for (const [part, cut] of evenCuts(lengths, 4).entries()) {
        const off = (end: number) => Math.abs(sum(lengths.slice(0, end)) - (part * sum(lengths)) / 4);
        expect(off(cut)).toBeLessThanOrEqual(Math.min(off(Math.max(cut - 1, 0)), off(Math.min(cut + 1, 20))));
      }
    }
  });
});

describe("a rank's share of a batch", () => {
  const whole = [4, 2, 3, 5].map(rowOf);
  const shares = (rows: readonly EncodedExample[], size: number) =>
    Array.from({ length: size }, (_, rank) => shareOf(rows, { ranks: { rank, size } }));

  test("is a run of its rows, and knows the whole batch", () => {
    const found = shares(whole, 2);
    expect(found.map(({ begin }) => begin)).toEqual([0, 2]);
    expect(found.flatMap(({ own }) => own?.examples ?? [])).toEqual(whole);
    for (const share of found) expect(share.whole).toBe(whole);
    expect(shareOf(whole, {})).toMatchObject({ begin: 0, own: { examples: whole } });
  });

  test("may have no row", () => {
    const found = shares([rowOf(4)], 3);
    expect(found.map(({ own }) => own?.examples.length)).toEqual([undefined, 1, undefined]);
    expect(found.map(({ begin }) => begin)).toEqual([0, 0, 1]);
  });

  test("begins where the ranks before end, in tokens, rows of the model and labeled rows", () => {
    const [, second] = shares(whole, 2);
    expect(ownPartOf(sequenceClassification as Task, second!)).toEqual({
      tokens: { count: 8, before: 6 },
      rows: { count: 2, before: 2 },
      labeled: { count: 2, before: 2 },
    });
    const texts = whole.map((row, i) => ({ ...row, lengths: i === 0 ? [1, 1, 2] : [1, 1], skipped: [] }));
    const [, later] = shares(texts, 2);
    expect(ownPartOf(embedding as Task, later!).rows).toEqual({ count: 4, before: 5 });
  });

  test("draws the masks of its own tokens, rows and labeled rows", () => {
    const own = {
      tokens: { count: 8, before: 6 },
      rows: { count: 2, before: 3 },
      labeled: { count: 5, before: 4 },
    };
    const firstOf = (shape: readonly number[]) =>
      Math.floor(new SeededMasks(1, own).draw({ p: 0.1 }, shape).stream / 2 ** 32);
    expect(firstOf([8, 16])).toBe(6);
    expect(firstOf([5, 16])).toBe(4);
    expect(firstOf([2, 16])).toBe(3);
    expect(firstOf([2, 4, 5, 5])).toBe(3);
    expect(firstOf([3, 16])).toBe(6); // a mini-batch's tokens
    expect(new SeededMasks(1).draw({ p: 0.1 }, [8, 16]).stream).toBe(0);
  });
});

import { describe, expect, it } from "vitest";
import { BatchOrder, countOfShare, foldsForSearch, splitForSearch, subsetsOf } from "../../../src/tasks/data/index.js";

const rows = Array.from({ length: 20 }, (_, i) => i);
const DRAWN = { shuffle: true, seed: 3 };

/** As drawn when a run had one seed. */
const PINNED = { train: [1, 2, 7, 12, 15, 18], holdout: [14, 19] };

describe("training rows", () => {
  it("all rows are trained on by default", () => {
    expect(subsetsOf(rows, DRAWN)).toEqual({ train: rows, holdout: undefined });
  });

  it("a sample depends on the seed and keeps the rows' order", () => {
    const { train } = subsetsOf(rows, { ...DRAWN, trainLimit: 8 });
    expect(train.length).toBe(8);
    expect(train).toEqual([...new Set(train)].sort((a, b) => a - b));
    expect(subsetsOf(rows, { ...DRAWN, trainLimit: 8 }).train).toEqual(train);
    expect(subsetsOf(rows, { ...DRAWN, seed: 4, trainLimit: 8 }).train).not.toEqual(train);
    expect(train).not.toEqual(rows.slice(0, 8));
  });

  it("a seed of the rows' own replaces the other one, in each draw", () => {
    const drawn = (seeds: { seed: number; dataSeed?: number }) => [
      subsetsOf(rows, { shuffle: true, ...seeds, trainLimit: 8, holdoutFraction: 0.25 }),
      splitForSearch(rows.length, { shuffle: true, ...seeds, fraction: 0.5 }),
      foldsForSearch(rows.length, { shuffle: true, ...seeds, folds: 4 }),
      new BatchOrder({ shuffle: true, ...seeds, examples: 20, batchSize: 8 }).next(),
    ];
    expect(drawn({ seed: 3, dataSeed: 4 })).toEqual(drawn({ seed: 4 }));
    expect(drawn({ seed: 3 })).not.toEqual(drawn({ seed: 4 }));
    // The same rows as in all versions before.
    expect(drawn({ seed: 3 })[0]).toEqual(PINNED);
  });

  it("a smaller sample is part of a larger one with the same seed", () => {
    const of = (trainLimit: number) => subsetsOf(rows, { ...DRAWN, trainLimit }).train;
    for (const row of of(5)) expect(of(12)).toContain(row);
  });

  it("without shuffling the sample is the first rows", () => {
    expect(subsetsOf(rows, { shuffle: false, seed: 3, trainLimit: 4 }).train).toEqual([0, 1, 2, 3]);
  });

  it("training and held-out rows are BiDoRA's lower and upper level", () => {
    const { train, holdout } = subsetsOf(rows, { ...DRAWN, holdoutFraction: 0.25 });
    const { lower, upper } = splitForSearch(rows.length, { ...DRAWN, fraction: 0.75 });
    expect([train, holdout]).toEqual([lower, upper].map((part) => part.toSorted((a, b) => a - b)));
    expect(holdout?.length).toBe(5);
    const few = subsetsOf(rows, { ...DRAWN, trainLimit: 10, holdoutFraction: 0.2 });
    expect([...few.train, ...(few.holdout ?? [])].sort((a, b) => a - b)).toEqual(
      subsetsOf(rows, { ...DRAWN, trainLimit: 10 }).train,
    );
    expect(few.holdout?.length).toBe(2);
  });

  it("a share is not one row short by how the computer writes it", () => {
    // In binary, 0.7 · 90 is 62.99999999999999.
    expect(splitForSearch(90, { ...DRAWN, fraction: 0.7 }).lower).toHaveLength(63);
    expect(subsetsOf(Array.from({ length: 90 }), { ...DRAWN, holdoutFraction: 0.3 }).holdout).toHaveLength(27);
    for (const tenths of [1, 3, 6, 7, 8, 9])
      for (let tens = 1; tens < 200; tens++) expect(countOfShare(tenths / 10, 10 * tens)).toBe(tenths * tens);
    expect(countOfShare(0.7, 91)).toBe(63);
    expect(countOfShare(0.999, 1000)).toBe(999);
    expect(countOfShare(0.999, 999)).toBe(998);
  });

  it("more rows than there are, and none, are refused", () => {
    expect(() => subsetsOf(rows, { ...DRAWN, trainLimit: 21 })).toThrow("--train-limit 21 is more than the 20");
    expect(() => subsetsOf([1], { ...DRAWN, holdoutFraction: 0.5 })).toThrow("leaves one of them empty");
  });
});

it("the held-out rows are the upper level's at every share", () => {
  for (let percent = 1; percent < 100; percent++) {
    const fraction = percent / 100;
    for (const count of [100, 250, 1000]) {
      const rows = Array.from({ length: count }, (_, row) => row);
      const { upper } = splitForSearch(count, { ...DRAWN, fraction });
      const { holdout } = subsetsOf(rows, { ...DRAWN, holdoutFraction: 1 - fraction });
      expect(holdout).toEqual(upper.toSorted((a, b) => a - b));
    }
  }
});

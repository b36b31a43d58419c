import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchOrder, splitForSearch } from "../../../src/tasks/data/index.js";
import type { OrderOptions } from "../../../src/tasks/data/order.js";

function batches(options: OrderOptions, count: number): (readonly number[])[] {
  const order = new BatchOrder(options);
  return Array.from({ length: count }, () => order.next());
}

const plain = { examples: 7, batchSize: 3, seed: 0, shuffle: false };

describe("the order of rows", () => {
  it("without shuffling every pass has the file's order", () => {
    expect(batches(plain, 4)).toEqual([[0, 1, 2], [3, 4, 5], [6], [0, 1, 2]]);
    expect(batches({ ...plain, dropLast: true }, 3)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [0, 1, 2],
    ]);
  });

  const options = fc.record({
    examples: fc.integer({ min: 1, max: 300 }),
    batchSize: fc.integer({ min: 1, max: 9 }),
    seed: fc.nat(),
    grouped: fc.boolean(),
  });
  const build = ({
    examples,
    batchSize,
    seed,
    grouped,
  }: {
    examples: number;
    batchSize: number;
    seed: number;
    grouped: boolean;
  }) => ({
    examples,
    batchSize,
    seed,
    shuffle: true,
    lengths: grouped ? Array.from({ length: examples }, (_, row) => (row * 7919) % 101) : undefined,
  });

  it("a shuffled pass has each row once", () => {
    fc.assert(
      fc.property(options, (given) => {
        const order = new BatchOrder(build(given));
        for (let pass = 0; pass < 2; pass++) {
          const rows = Array.from({ length: order.batchesPerPass }, () => order.next()).flat();
          expect(rows.toSorted((a, b) => a - b)).toEqual(Array.from({ length: given.examples }, (_, row) => row));
        }
      }),
    );
  });

  it("a resumed order equals an uninterrupted one", () => {
    fc.assert(
      fc.property(options, fc.nat(50), (given, steps) => {
        const order = new BatchOrder(build(given));
        for (let i = 0; i < steps; i++) order.next();
        const resumed = new BatchOrder(build(given), JSON.parse(JSON.stringify(order.state)));
        for (let i = 0; i < 5; i++) expect(resumed.next()).toEqual(order.next());
      }),
    );
  });

  it("the order differs between passes and between seeds", () => {
    const [first, second] = batches({ examples: 50, batchSize: 50, seed: 1, shuffle: true }, 2);
    const [other] = batches({ examples: 50, batchSize: 50, seed: 2, shuffle: true }, 1);
    expect(first).not.toEqual(second);
    expect(first).not.toEqual(other);
    expect(first).not.toEqual(first?.toSorted((a, b) => a - b));
  });

  it("the order depends on all bits of the seed", () => {
    const order = (seed: number) => batches({ examples: 10, batchSize: 10, seed, shuffle: true }, 1).toString();
    const seeds = [0, 1, 7].flatMap((low) => [0, 1, 2, 2 ** 20, 2 ** 21 - 1].map((high) => low + high * 2 ** 32));
    expect(new Set(seeds.map(order)).size).toBe(seeds.length);
    expect(order(7)).toBe("0,8,9,3,4,2,1,5,6,7");
    expect(order(2 ** 32 - 1)).toBe("8,5,6,1,7,9,0,4,2,3");
  });

  it("all orders of the rows are equally likely", () => {
    const seen = new Map<string, number>();
    for (let seed = 0; seed < 6000; seed++) {
      const [order] = batches({ examples: 3, batchSize: 3, seed, shuffle: true }, 1);
      seen.set(String(order), (seen.get(String(order)) ?? 0) + 1);
    }
    expect(seen.size).toBe(6);
    for (const count of seen.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it("batches by length need little padding, and are not sorted by length", () => {
    const lengths = Array.from({ length: 1024 }, (_, row) => (row * 7919) % 101);
    const spread = (list: (readonly number[])[]) =>
      list.map((batch) => Math.max(...batch.map((r) => lengths[r]!)) - Math.min(...batch.map((r) => lengths[r]!)));
    const shuffled = { examples: 1024, batchSize: 16, seed: 3, shuffle: true };
    const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
    const grouped = batches({ ...shuffled, lengths }, 64);
    expect(mean(spread(batches(shuffled, 64)))).toBeGreaterThan(70);
    expect(mean(spread(grouped))).toBeLessThan(10);
    const firsts = grouped.slice(0, 32).map((batch) => lengths[batch[0]!]!);
    expect(firsts).not.toEqual(firsts.toSorted((a, b) => a - b));
  });

  it("settings without a single batch are refused", () => {
    expect(() => new BatchOrder({ ...plain, examples: 0 })).toThrow("0 rows do not fill one batch of 3");
    expect(() => new BatchOrder({ ...plain, examples: 2, dropLast: true })).toThrow(
      "2 rows do not fill one batch of 3, and a short last batch is dropped",
    );
    for (const index of [3, -1, Number.NaN])
      expect(() => new BatchOrder(plain, { pass: 0, index })).toThrow(
        `3 batches, but the position to resume from is ${index}`,
      );
    expect(() => new BatchOrder({ ...plain, batchSize: 0.5 })).toThrow("whole number");
  });
});

describe("the split for a search", () => {
  it("without shuffling the lower level has the first rows, rounded down", () => {
    expect(splitForSearch(9, { fraction: 0.8, shuffle: false, seed: 0 })).toEqual({
      lower: [0, 1, 2, 3, 4, 5, 6],
      upper: [7, 8],
    });
  });

  it("a shuffled split depends on the seed and has each row on one side", () => {
    const split = (seed: number) => splitForSearch(100, { fraction: 0.8, shuffle: true, seed });
    const { lower, upper } = split(5);
    expect([lower.length, upper.length]).toEqual([80, 20]);
    expect([...lower, ...upper].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, row) => row));
    expect(split(5)).toEqual({ lower, upper });
    for (const other of [6, 5 + 2 ** 32, 5 + 2 ** 52]) expect(split(other)).not.toEqual({ lower, upper });
    expect(lower).not.toEqual(lower.toSorted((a, b) => a - b));
  });

  it("a split with an empty side is refused", () => {
    expect(() => splitForSearch(1, { fraction: 0.8, shuffle: false, seed: 0 })).toThrow("leaves one of them empty");
    expect(() => splitForSearch(10, { fraction: 1, shuffle: false, seed: 0 })).toThrow("leaves one of them empty");
  });
});

import { describe, expect, test, vi } from "vitest";
import { secondsAt } from "../../../src/run/estimates/line.js";
import { sampleWork } from "../../../src/run/estimates/sampler.js";
import type { EncodedRow } from "../../../src/tasks/index.js";
import { reduced, tokensByBatch, tokensOfWork, type Work } from "../../../src/train/rehearsal.js";

const memory = vi.hoisted(() => ({ peak: 7e8 }));
vi.mock("../../../src/train/machine.js", () => ({
  // More than any part takes: when weights were read, say.
  peakMemoryBytes: () => 8e8,
  peakSinceRestart: () => memory.peak,
  restartPeak: () => {},
}));

const row = (length: number) => ({ inputIds: Array.from({ length }, () => 1) }) as unknown as EncodedRow;
const batch = (...lengths: number[]) => lengths.map(row);
const lengthsOf = (work: Work) =>
  work.map((batches) => batches.map((rows) => rows.map(({ inputIds }) => inputIds.length)));

/** Batches of 8 rows of as many tokens each. */
const works: Work[] = [30, 10, 50, 20, 40].map((length) => [[batch(...Array.from({ length: 8 }, () => length))]]);

function sampler(options: { secondsPerToken?: number; seconds?: number; room?: number }) {
  const { secondsPerToken = 1e-6, seconds = 60, room = 1e12 } = options;
  const done: number[] = [];
  const run = (work: Work) => {
    done.push(tokensOfWork(work));
    return secondsPerToken * tokensOfWork(work);
  };
  const deadline = performance.now() + 1000 * seconds;
  return { done, sampled: sampleWork({ works, run, until: deadline, deadline, room: () => room }) };
}

describe("pieces of work", () => {
  test("are done from a part of the heaviest to all of it, then the others, then the heaviest again", async () => {
    const { done, sampled } = sampler({});
    const { line, count, reached, heaviest, bytesBeyond } = await sampled;
    expect(done.slice(0, 2)).toEqual([50, 400]);
    expect(done.slice(2, -1).toSorted((a, b) => a - b)).toEqual([80, 160, 240, 320]);
    expect(done.at(-1)).toBe(400);
    expect({ count, reached, heaviest, bytesBeyond }).toEqual({
      count: 5,
      reached: 400,
      heaviest: 400,
      bytesBeyond: 0,
    });
    expect(secondsAt(line, 400)).toBeCloseTo(4e-4, 12);
  });

  test("that would take too long go on in a straight line from their parts", async () => {
    // The first part takes 5 s of 12: no other one is begun.
    const { done, sampled } = sampler({ secondsPerToken: 0.1, seconds: 7 });
    const { line, count, reached, heaviest } = await sampled;
    expect(done).toEqual([50]);
    expect({ count, reached, heaviest }).toEqual({ count: 0, reached: 50, heaviest: 400 });
    expect(secondsAt(line, 400)).toBeCloseTo(40, 6);
  });

  test("that would take too much memory are not done, and what they would take is told", async () => {
    const perToken = 2 ** 20;
    const many: Work[] = [[[batch(...Array.from({ length: 400 }, () => 1))]]];
    const run = (work: Work) => {
      memory.peak = 7e8 + tokensOfWork(work) * perToken;
      return 1e-3;
    };
    const deadline = performance.now() + 60_000;
    const sampled = await sampleWork({ works: many, run, until: deadline, deadline, room: () => 90 * perToken });
    expect(sampled.count).toBe(0);
    expect(sampled.reached).toBeGreaterThan(8);
    expect(sampled.reached).toBeLessThan(400);
    expect(8e8 + sampled.bytesBeyond).toBeCloseTo(7e8 + 400 * perToken, -2);
  });

  test("of two levels are as heavy as all their batches, others as their largest", async () => {
    const heaviestOf = async (works: Work[]) => {
      const deadline = performance.now() + 60_000;
      const run = () => 1e-6;
      return (await sampleWork({ works, run, until: deadline, deadline, room: () => 1e12 })).heaviest;
    };
    const [long, even] = [
      [batch(60), batch(10)],
      [batch(40), batch(40)],
    ];
    expect(await heaviestOf([[long], [even]])).toBe(70);
    expect(
      await heaviestOf([
        [[batch(60)], [batch(10)]],
        [[batch(40)], [batch(40)]],
      ]),
    ).toBe(80);
  });
});

describe("less of a piece", () => {
  const work: Work = [
    [batch(1, 2, 3, 4), batch(5, 6, 7, 8)],
    [batch(9, 10, 11, 12), batch(13, 14, 15, 16)],
  ];

  test("has fewer batches of each gradient, then fewer rows that are as long", () => {
    expect(reduced(work, 1)).toEqual(work);
    expect(lengthsOf(reduced(work, 0.5))).toEqual([[[1, 2, 3, 4]], [[9, 10, 11, 12]]]);
    expect(lengthsOf(reduced(work, 0.25))).toEqual([[[2, 4]], [[10, 12]]]);
    expect(lengthsOf(reduced(work, 0))).toEqual([[[1]], [[9]]]);
  });

  test("is counted in tokens, by batch and in all", () => {
    expect(tokensByBatch(work)).toEqual([10, 26, 42, 58]);
    expect(tokensOfWork(work)).toBe(136);
  });
});

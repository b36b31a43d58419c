import { describe, expect, test } from "vitest";
import type { EncodedExample } from "../../../src/tasks/index.js";
import type { RunMemory } from "../../../src/torch/devices/memory.js";
import { reduced, tokensByBatch, tokensOfWork, type Work } from "../../../src/training/estimates/dryRun.js";
import { sampleWork, secondsAt } from "../../../src/training/estimates/sampler.js";

const held = { peak: 7e8 };

/** Memory that parts take; the peak so far is more than any part takes: when weights were read, say. */
const memoryOf = (free: () => number): RunMemory => ({
  free,
  peak: () => 8e8,
  peakSinceRestart: () => held.peak,
  restartPeak: () => {},
});

const row = (length: number) => ({ inputIds: Array.from({ length }, () => 1) }) as unknown as EncodedExample;
const batch = (...lengths: number[]) => lengths.map(row);
const lengthsOf = (work: Work) =>
  work.map((batches) => batches.map((rows) => rows.map(({ inputIds }) => inputIds.length)));

/** Batches of 8 rows of as many tokens each. */
const works: Work[] = [30, 10, 50, 20, 40].map((length) => [[batch(...Array.from({ length: 8 }, () => length))]]);

/** One batch of many short rows. */
const many: Work = [[batch(...Array.from({ length: 400 }, () => 1))]];

function sampler(options: { secondsPerToken?: number; seconds?: number; room?: number }) {
  const { secondsPerToken = 1e-6, seconds = 60, room = 1e12 } = options;
  const done: number[] = [];
  const run = (work: Work) => {
    done.push(tokensOfWork(work));
    return secondsPerToken * tokensOfWork(work);
  };
  const deadline = performance.now() + 1000 * seconds;
  return { done, sampled: sampleWork({ works, run, until: deadline, deadline, memory: memoryOf(() => room) }) };
}

describe("measured pieces of work", () => {
  test("run from a part of the heaviest to all of it, then the others, then the heaviest again", async () => {
    const { done, sampled } = sampler({});
    const { line, count, reached, heaviest, bytesBeyond } = await sampled;
    expect(done.slice(0, 3)).toEqual([50, 50, 400]);
    expect(done.slice(3, -1).toSorted((a, b) => a - b)).toEqual([80, 160, 240, 320]);
    expect(done.at(-1)).toBe(400);
    expect({ count, reached, heaviest, bytesBeyond }).toEqual({
      count: 5,
      reached: 400,
      heaviest: 400,
      bytesBeyond: 0,
    });
    expect(secondsAt(line, 400)).toBeCloseTo(4e-4, 12);
  });

  test("that would take too long are extrapolated linearly from their parts", async () => {
    // The first part takes 5 s of 12: no other one is begun.
    const { done, sampled } = sampler({ secondsPerToken: 0.1, seconds: 7 });
    const { line, count, reached, heaviest } = await sampled;
    expect(done).toEqual([50, 50]);
    expect({ count, reached, heaviest }).toEqual({ count: 0, reached: 50, heaviest: 400 });
    expect(secondsAt(line, 400)).toBeCloseTo(40, 6);
  });

  test("that would take too much memory are not run, and their memory is estimated", async () => {
    const perToken = 2 ** 20;
    const run = (work: Work) => {
      held.peak = 7e8 + tokensOfWork(work) * perToken;
      return 1e-3;
    };
    const deadline = performance.now() + 60_000;
    const sampled = await sampleWork({
      works: [many],
      run,
      until: deadline,
      deadline,
      memory: memoryOf(() => 90 * perToken),
    });
    expect(sampled.count).toBe(0);
    expect(sampled.reached).toBeGreaterThan(8);
    expect(sampled.reached).toBeLessThan(400);
    expect(8e8 + sampled.bytesBeyond).toBeCloseTo(7e8 + 400 * perToken, -2);
  });

  test("of which none was whole are extrapolated without the cost that occurs only once", async () => {
    let isFirst = true;
    const run = (work: Work) => {
      const seconds = 0.5 + 0.01 * tokensOfWork(work) + (isFirst ? 1.5 : 0);
      isFirst = false;
      return seconds;
    };
    const deadline = performance.now() + 3000;
    const sampled = await sampleWork({ works: [many], run, until: deadline, deadline, memory: memoryOf(() => 1e12) });
    expect(sampled.count).toBe(0);
    expect(sampled.reached).toBeLessThan(400);
    expect(secondsAt(sampled.line, 400)).toBeCloseTo(4.5, 6);
    expect(sampled.once).toBeCloseTo(1.5, 6);
  });

  test.each<[string, Work]>([
    ["one gradient", [Array.from({ length: 4 }, () => batch(...Array.from({ length: 20 }, () => 5)))]],
    ["two levels", [1, 2].map(() => Array.from({ length: 4 }, () => batch(...Array.from({ length: 20 }, () => 5))))],
  ])("of %s are extrapolated from parts with as many batches, or from whole batches", async (_, whole) => {
    // Each batch takes some time, however many rows it has.
    const secondsOf = (work: Work) => 0.1 * work.flat().length + 0.01 * tokensOfWork(work);
    const deadline = performance.now() + 4000;
    const options = { works: [whole], until: deadline, deadline, memory: memoryOf(() => 1e12) };
    const sampled = await sampleWork({ ...options, run: secondsOf });
    expect(sampled.reached).toBeLessThan(sampled.heaviest);
    expect(secondsAt(sampled.line, sampled.heaviest)).toBeCloseTo(secondsOf(whole), 6);
  });

  test("have at least two parts, even if time is up", async () => {
    const done: number[] = [];
    const run = (work: Work) => {
      done.push(tokensOfWork(work));
      return 0.2 + 0.001 * tokensOfWork(work);
    };
    const deadline = performance.now() - 1;
    const sampled = await sampleWork({ works: [many], run, until: deadline, deadline, memory: memoryOf(() => 1e12) });
    expect(done).toEqual([1, 1, 8]);
    expect(secondsAt(sampled.line, 400)).toBeCloseTo(0.6, 6);
  });

  test.each([2, 4])(
    "of two levels with %i batches are extrapolated to the memory of all batches held",
    async (count) => {
      const long = Array.from({ length: 16 }, () => 10);
      const whole: Work = [long, long].map((lengths) => Array.from({ length: count }, () => batch(...lengths)));
      // All lower batches are held until the directions' gradients are taken, of the upper ones one at a time.
      const bytesOf = (work: Work) =>
        6.7e5 * tokensOfWork(work.slice(0, 1)) + 1.35e6 * Math.max(...tokensByBatch(work));
      for (const share of [0.3, 0.45, 0.7]) {
        const run = (work: Work) => {
          held.peak = 7e8 + bytesOf(work);
          return tokensOfWork(work) > share * tokensOfWork(whole) ? 60 : 1e-6;
        };
        const deadline = performance.now() + 60_000;
        const room = () => (bytesOf(whole) * share) / 2;
        const sampled = await sampleWork({ works: [whole], run, until: deadline, deadline, memory: memoryOf(room) });
        expect(sampled.reached).toBeLessThan(sampled.heaviest);
        const found = 1e8 + sampled.bytesBeyond;
        expect(Math.abs(found / bytesOf(whole) - 1)).toBeLessThan(0.1);
      }
    },
  );

  test("of one gradient with several batches have the memory of the largest", async () => {
    const whole: Work = [[batch(10, 10), batch(...Array.from({ length: 40 }, () => 10)), batch(10, 10, 10)]];
    const run = (work: Work) => {
      held.peak = 8e8 + 1e6 * Math.max(...tokensByBatch(work));
      return 1e-6;
    };
    const deadline = performance.now() + 60_000;
    const room = () => 1e8;
    const sampled = await sampleWork({ works: [whole], run, until: deadline, deadline, memory: memoryOf(room) });
    expect(sampled.reached).toBeLessThan(400);
    expect(8e8 + sampled.bytesBeyond).toBeCloseTo(12e8, -6);
  });

  test("of one gradient need no more memory for more batches, though peaks differ", async () => {
    const whole: Work = [Array.from({ length: 40 }, () => batch(...Array.from({ length: 20 }, () => 5)))];
    let noise = 0;
    const run = (work: Work) => {
      noise += 1e6;
      held.peak = 8e8 + noise + 1e3 * Math.max(...tokensByBatch(work));
      return 1e-6;
    };
    const deadline = performance.now() + 60_000;
    const sampled = await sampleWork({ works: [whole], run, until: deadline, deadline, memory: memoryOf(() => 2e7) });
    expect(sampled.reached).toBe(sampled.heaviest);
  });

  test("of two levels weigh as much as all their batches, others as much as the largest", async () => {
    const heaviestOf = async (works: Work[]) => {
      const deadline = performance.now() + 60_000;
      const run = () => 1e-6;
      return (await sampleWork({ works, run, until: deadline, deadline, memory: memoryOf(() => 1e12) })).heaviest;
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

describe("a part of a piece of work", () => {
  const work: Work = [
    [batch(1, 2, 3, 4), batch(5, 6, 7, 8)],
    [batch(9, 10, 11, 12), batch(13, 14, 15, 16)],
  ];

  test("of several gradients has fewer rows in all batches, as long as the others are, then fewer batches", () => {
    expect(reduced(work, 1)).toEqual(work);
    expect(lengthsOf(reduced(work, 0.5))).toEqual([
      [
        [2, 4],
        [6, 8],
      ],
      [
        [10, 12],
        [14, 16],
      ],
    ]);
    expect(lengthsOf(reduced(work, 0.25))).toEqual([
      [[4], [8]],
      [[12], [16]],
    ]);
    expect(lengthsOf(reduced(work, 0.125))).toEqual([[[1]], [[9]]]);
    expect(lengthsOf(reduced(work, 0))).toEqual([[[1]], [[9]]]);
  });

  test("has equally many batches for each gradient, whatever their rows", () => {
    const uneven: Work = [
      [batch(1, 2, 3, 4), batch(5)],
      [batch(9), batch(10, 11)],
    ];
    for (let share = 0; share <= 1; share += 0.05) {
      const [below, above] = reduced(uneven, share);
      expect(below?.length).toBe(above?.length);
    }
  });

  test("of one gradient has fewer batches, the largest first, then fewer rows in that one", () => {
    const [only] = work;
    const plain: Work = [only!];
    expect(lengthsOf(reduced(plain, 1))).toEqual([
      [
        [5, 6, 7, 8],
        [1, 2, 3, 4],
      ],
    ]);
    expect(lengthsOf(reduced(plain, 0.8))).toEqual([[[5, 6, 7, 8]]]);
    expect(lengthsOf(reduced(plain, 0.25))).toEqual([[[6, 8]]]);
    expect(lengthsOf(reduced(plain, 0))).toEqual([[[5]]]);
  });

  test("is measured in tokens, per batch and in total", () => {
    expect(tokensByBatch(work)).toEqual([10, 26, 42, 58]);
    expect(tokensOfWork(work)).toBe(136);
  });
});

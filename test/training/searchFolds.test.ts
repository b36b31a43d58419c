import { beforeAll, describe, expect, test } from "vitest";
import type { RunSettings } from "../../src/tasks/config/index.js";
import type { EncodedExample } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { type BatchSource, BatchStream, searchBatches } from "../../src/training/loop/batches.js";
import { planSearch } from "../../src/training/loop/plans.js";
import { BilevelRule } from "../../src/training/steps/bilevelRule.js";
import type { StepReport } from "../../src/training/steps/stepRule.js";
import { restoreSnapshot, takeSnapshot } from "../../src/training/steps/trainedTensors.js";
import { openAdapted } from "../parity/support/adapted.js";
import { planSettings, setupOf } from "../parity/support/phases.js";
import { encodeRows } from "../parity/support/rows.js";
import { expectSameBits } from "../torch/sameBits.js";

/** A row of a file, or a piece of one. */
const rowAt = (line: number, length = 3): EncodedExample => ({
  inputIds: new Array(length).fill(line),
  tokenTypeIds: [],
  target: 0,
  at: { file: "f", line },
});

const plain = (count: number) => Array.from({ length: count }, (_, i) => rowAt(i + 1));

/** Lines of rows, of which some are in pieces. */
function inPieces(counts: readonly number[]): EncodedExample[] {
  return counts.flatMap((count, i) => {
    const whole = rowAt(i + 1);
    return Array.from({ length: count }, () => ({ ...whole }));
  });
}

const settingsOf = (settings: RunSettings) => ({ ...planSettings({ method: "bidora", ...settings }), device: "cpu" });
const take = (source: BatchSource, count: number) => Array.from({ length: count }, () => source.next().whole).flat();
const lines = (rows: readonly EncodedExample[]) => rows.map(({ at }) => at.line);
const sorted = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);

describe("in each stretch one fold is the upper level's and all other rows are the lower level's", () => {
  test.each([
    [2, 4, false],
    [3, 10, false],
    [3, 10, true],
    [5, 7, true],
    [4, 4, true],
  ])("%d folds of %d rows, shuffled: %j", (folds, count, shuffle) => {
    const rows = plain(count);
    // As many steps in a stretch as make a pass over every row of each level.
    const settings = settingsOf({ searchFolds: folds, shuffle, batchSize: 1, maxSteps: folds * count, seed: 5 });
    const { lower, upper } = searchBatches(rows, settings);
    const uppers = Array.from({ length: folds }, () => {
      const [below, above] = [new Set(take(lower, count)), new Set(take(upper, count))];
      expect(sorted(lines([...below, ...above]))).toEqual(lines(rows));
      return lines([...above]);
    });
    expect(sorted(uppers.flat())).toEqual(lines(rows));
    const sizes = uppers.map(({ length }) => length);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
    if (!shuffle) expect(uppers.flat()).toEqual(lines(rows));
    else expect(uppers.flatMap(sorted)).not.toEqual(lines(rows));
  });

  test("pieces of an example stay on one level", () => {
    const rows = inPieces([1, 4, 1, 2, 3, 1]);
    const { lower, upper } = searchBatches(rows, settingsOf({ searchFolds: 3, batchSize: 1, maxSteps: 36 }));
    for (const own of [
      [1, 2],
      [3, 4],
      [5, 6],
    ]) {
      const [below, above] = [new Set(take(lower, 12)), new Set(take(upper, 12))];
      expect(new Set(lines([...above]))).toEqual(new Set(own));
      for (const line of lines([...above])) expect(lines([...below])).not.toContain(line);
      expect(below.size + above.size).toBe(rows.length);
    }
  });

  test.each([{ searchFolds: 3 }, { searchFraction: 0.5 }])("completions of one prompt stay on one level: %o", (how) => {
    // KTO's rows of pairs: all chosen completions, then all rejected ones.
    const rows = [...plain(6), ...plain(6)].map((row, i, all) => ({ ...row, at: all[i % 6]!.at }));
    for (const shuffle of [true, false]) {
      const { lower, upper } = searchBatches(
        rows,
        settingsOf({ ...how, shuffle, batchSize: 1, maxSteps: 36, seed: 3 }),
      );
      const [below, above] = [new Set(take(lower, 12)), new Set(take(upper, 12))];
      for (const line of lines([...above])) expect(lines([...below])).not.toContain(line);
      expect(below.size + above.size).toBe(12);
      for (const level of [below, above]) expect(level.size).toBe(2 * new Set(lines([...level])).size);
    }
    const { lower } = searchBatches(rows, settingsOf({ ...how, shuffle: false, batchSize: 1, maxSteps: 36 }));
    const below = lines(take(lower, 6));
    for (const [i, line] of below.entries()) expect(line).not.toBe(below[i + 1]);
  });

  test("the seed determines the folds", () => {
    const first = (seed: number) => {
      const settings = settingsOf({ searchFolds: 2, shuffle: true, batchSize: 10, seed });
      return sorted(lines(take(searchBatches(plain(20), settings).upper, 1)));
    };
    expect(first(1)).toEqual(first(1));
    expect(first(1)).not.toEqual(first(2));
  });
});

describe("stretches", () => {
  /** Whose turn it is on the upper level, step by step. */
  const turns = (settings: RunSettings, steps: number) => {
    const { upper } = searchBatches(plain(6), settingsOf({ batchSize: 2, ...settings }));
    return Array.from({ length: steps }, () => Math.ceil(take(upper, 1)[0]!.at.line / 2));
  };

  test("are as equal as possible, the longer ones first; the last one repeats", () => {
    expect(turns({ searchFolds: 3, maxSteps: 7 }, 9)).toEqual([1, 1, 1, 2, 2, 3, 3, 3, 3]);
    expect(turns({ searchFolds: 3, maxSteps: 2 }, 4)).toEqual([1, 2, 2, 2]);
    expect(turns({ searchFolds: 3, maxSteps: 1 }, 1)).toEqual([1]);
  });

  test("count steps: each step uses all its lower batches", () => {
    const settings = settingsOf({ searchFolds: 2, maxSteps: 3, batchSize: 1, unrollSteps: 2, gradientAccumulation: 3 });
    const { lower, upper } = searchBatches(plain(4), settings);
    expect(lines(take(lower, 18))).toEqual([3, 4, 3, 4, 3, 4, 3, 4, 3, 4, 3, 4, 1, 2, 1, 2, 1, 2]);
    expect(lines(take(upper, 9))).toEqual([1, 2, 1, 2, 1, 2, 3, 4, 3]);
  });

  test("have passes with different orders", () => {
    const rows = plain(40);
    const settings = settingsOf({ searchFolds: 2, shuffle: true, batchSize: 20, maxSteps: 4 });
    const { lower } = searchBatches(rows, settings);
    const passes = Array.from({ length: 4 }, () => lines(take(lower, 1)));
    const places = passes.map((pass, i) => {
      const reference = sorted(passes[i < 2 ? 0 : 2]!);
      return pass.map((line) => reference.indexOf(line)).join();
    });
    expect(new Set(places).size).toBe(4);
  });

  test("can be resumed after any batch", () => {
    for (const settings of [{ maxSteps: 7 }, { maxSteps: 2 }, { maxSteps: 9, dropLast: true }]) {
      const open = () =>
        searchBatches(
          plain(11),
          settingsOf({ searchFolds: 3, shuffle: true, batchSize: 2, unrollSteps: 2, ...settings }),
        );
      for (const level of ["lower", "upper"] as const) {
        const through = open()[level];
        for (let taken = 0; taken < 20; taken++) {
          const resumed = open()[level];
          resumed.restore(JSON.parse(JSON.stringify(through.state)));
          const copy = open()[level];
          take(copy, taken);
          expect(lines(take(resumed, 12)), `${level}, ${taken}`).toEqual(lines(take(copy, 12)));
          take(through, 1);
        }
      }
    }
  });
});

describe("an epoch is a pass over the lower level's rows", () => {
  test.each([
    // 8 of 12 rows, in batches of 4.
    [12, { searchFolds: 3, epochs: 3 }, 6],
    [12, { searchFolds: 3, epochs: 3, unrollSteps: 2 }, 3],
    [12, { searchFolds: 3, epochs: 3, gradientAccumulation: 3 }, 2],
    // 10, 11 and 11 of 16 rows: 3 batches of 4; 2 where the short last one is dropped.
    [16, { searchFolds: 3, epochs: 2 }, 6],
    [16, { searchFolds: 3, epochs: 2, dropLast: true }, 4],
    // 4 and 5 of 9: 1 and 2 batches.
    [9, { searchFolds: 2, epochs: 2 }, 3],
    [9, { searchFolds: 2, epochs: 1 }, 2],
    [9, { searchFolds: 2, epochs: 0.01 }, 1],
    [9, { searchFolds: 9, epochs: 1, maxSteps: 5 }, 5],
  ])("%d rows, %j: %d steps", (count, settings, steps) => {
    expect(searchBatches(plain(count), settingsOf({ batchSize: 4, ...settings })).steps).toBe(steps);
  });
});

test("more folds than examples, and rows that do not fill a batch, are refused", () => {
  const open = (rows: readonly EncodedExample[], settings: RunSettings) => () =>
    searchBatches(rows, settingsOf(settings));
  expect(open(plain(3), { searchFolds: 4 })).toThrow("--search-folds 4 is more than the 3 training rows");
  expect(open(inPieces([5, 5]), { searchFolds: 3 })).toThrow("2 training rows");
  expect(open(inPieces([5, 5]), { searchFolds: 2 })).not.toThrow();
  expect(open(plain(6), { searchFolds: 2, batchSize: 4, dropLast: true })).toThrow("3 rows do not fill one batch of 4");
  expect(open(plain(12), { searchFolds: 4, batchSize: 4, dropLast: true })).toThrow(
    "3 rows do not fill one batch of 4",
  );
});

describe("a search in two folds", () => {
  const CASE = { checkpoint: "dropout", adapter: "dropout-runs/dora-dropout", rows: "train", maxLength: 20 };
  let rows: EncodedExample[];
  beforeAll(async () => {
    rows = await encodeRows("bert", CASE);
  });

  async function open(settings: RunSettings) {
    const setup = setupOf(await openAdapted("bert", CASE, { normGradient: "full" }), rows);
    const { adapted, masks } = setup;
    const rates = { learningRate: 1e-2, upperLearningRate: 1e-2, warmupRatio: 0.2, batchSize: 3, regularizer: 0.1 };
    const resolved = settingsOf({ ...rates, maxGradNorm: 1, ...settings });
    return { adapted, masks, resolved, rule: planSearch(setup, resolved).begin() };
  }

  const steps = (rule: BilevelRule, count: number): StepReport[] =>
    Array.from({ length: count }, () => torch.scope(() => rule.step()));

  const SETTINGS = { searchFolds: 2, maxSteps: 7, unrollSteps: 2 } as const;

  test.each([{}, { optimizer: "sgd" }, { hypergradient: "neumann", gradientAccumulation: 2 }] as const)(
    "is one search whose levels swap their rows half-way, bit by bit: %j",
    async (more) => {
      const folded = await open({ ...SETTINGS, ...more });
      const reports = steps(folded.rule, 7);

      const { searchFolds: _, ...unfolded } = SETTINGS;
      const byHand = await open({ ...unfolded, ...more });
      const half = rows.length / 2;
      const [first, second] = [rows.slice(0, half), rows.slice(half)];
      const search = (lower: EncodedExample[], upper: EncodedExample[]) =>
        new BilevelRule({
          ...byHand.rule.options,
          lowerBatches: new BatchStream(lower, byHand.resolved),
          upperBatches: new BatchStream(upper, byHand.resolved),
        });
      expect([...steps(search(second, first), 4), ...steps(search(first, second), 3)]).toEqual(reports);
      const [ours, theirs] = [folded, byHand].map(({ adapted }) => takeSnapshot(adapted.trained));
      for (const [name, tensor] of ours!) expectSameBits(theirs!.get(name)!, tensor, name);
    },
  );

  test("resumes with the same bits after any step", async () => {
    const settings = { ...SETTINGS, searchFolds: 3, shuffle: true } as const;
    const whole = await open(settings);
    const expected = steps(whole.rule, 7);
    for (let step = 1; step < 7; step++) {
      const left = await open(settings);
      steps(left.rule, step);
      const state = left.rule.save();
      const values = JSON.parse(JSON.stringify(state.values));
      const resumed = await open(settings);
      resumed.rule.restore({ tensors: state.tensors, values });
      restoreSnapshot(resumed.adapted.trained, takeSnapshot(left.adapted.trained));
      resumed.masks.generator.setState(left.masks.mark());
      expect(steps(resumed.rule, 7 - step), `left after step ${step}`).toEqual(expected.slice(step));
    }
  });
});

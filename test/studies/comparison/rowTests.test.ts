import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { BootstrapTest, EquivalenceTest, TwoLevelTest } from "../../../src/base/records/index.js";
import { type CollectedRun, collectRuns } from "../../../src/studies/comparison/results/collectRuns.js";
import { readPredictedRuns } from "../../../src/studies/comparison/results/predictedRuns.js";
import { corrected, rowTests } from "../../../src/studies/comparison/results/rowTests.js";
import { type Scoring, scoringOf, watchedMetric } from "../../../src/studies/comparison/results/scoring.js";
import type { Uncorrected } from "../../../src/studies/statistics/holm.js";
import { significance } from "../../../src/studies/statistics/significance.js";
import { accuracy, f1, pearson, wordAccuracy } from "../../../src/tasks/metrics/index.js";
import { mapPrediction } from "../../../src/tasks/metrics/parts/combineMetrics.js";
import { fresh } from "../../e2e/support.js";

const scoring: Scoring = {
  main: { name: "pearson", goal: "maximize" },
  others: [],
  metric: mapPrediction(pearson(), ({ value }: { value: number }) => value) as Scoring["metric"],
  split: "validation",
  beside: [],
};

const REFERENCES = [1, 2, 3, 4, 5, 6, 7, 9];

function run(method: string, seed: number, rows: readonly object[] | undefined): CollectedRun {
  const folder = fresh(`${method}-${seed}`);
  mkdirSync(folder, { recursive: true });
  const text = rows?.map((row) => `${JSON.stringify({ file: "rows.csv", ...row })}\n`).join("");
  if (text !== undefined) writeFileSync(join(folder, "validation-predictions.jsonl"), text);
  const scored = { stopsByValidation: false };
  const spent = { trainedParameters: 1, seconds: 1, peakMemoryBytes: 1, steps: 1, rows: 1, evaluations: [], scored };
  // Runs with one loss would be one run with several seeds.
  return { task: "t", method, seed, folder, metrics: { pearson: 0.5, loss: 1 + seed / 8 }, ...spent };
}

const rowsOf = (values: readonly number[], references: readonly (number | null)[] = REFERENCES) =>
  references.map((reference, i) => ({
    file: `/machine-${values[0]}/rows.csv`,
    line: i + 2,
    text: `row ${i}`,
    reference,
    prediction: { value: values[i] },
  }));

const A = [1, 2, 2, 4, 6, 5, 7, 8];
const B = [2, 1, 4, 3, 6, 5, 9, 4];
/** On another scale: together with A's the correlation is another one. */
const C = A.map((value, i) => 1000 - 100 * value + i * i * 30);

describe("tests over the rows of a task", () => {
  it("need the same rows in all runs, at any path", async () => {
    const [one, other] = [run("lora", 0, rowsOf(A)), run("dora", 0, rowsOf(B))];
    await expect(readPredictedRuns([one, other], scoring)).resolves.toHaveLength(2);
    const swapped = run("dora", 1, rowsOf(B, REFERENCES.with(2, 4).with(3, 3)));
    await expect(readPredictedRuns([one, other, swapped], scoring)).rejects.toThrow(
      /lora-0 and .*dora-1 were scored on different rows \(row 3 differs\)/,
    );
    const fewer = run("dora", 1, rowsOf(B).slice(0, 5));
    await expect(readPredictedRuns([one, fewer], scoring)).rejects.toThrow("different rows (8 and 5)");
    await expect(readPredictedRuns([fewer, one], scoring)).rejects.toThrow("different rows (5 and 8)");
    const bare = REFERENCES.map(() => null);
    const text = rowsOf(A, bare).with(1, { ...rowsOf(A, bare)[1]!, text: "another" });
    await expect(readPredictedRuns([run("a", 0, rowsOf(A, bare)), run("b", 0, text)], scoring)).rejects.toThrow(
      "row 2 differs",
    );
  });

  it("need the same tokens for language models", async () => {
    const of = (tokens: number) => [{ line: 1, text: "a", prediction: { loss: 2, tokens, correct: 0 } }];
    await expect(readPredictedRuns([run("a", 0, of(3)), run("b", 0, of(3))], scoring)).resolves.toHaveLength(2);
    await expect(readPredictedRuns([run("a", 0, of(3)), run("b", 0, of(9))], scoring)).rejects.toThrow("row 1 differs");
  });

  it("are refused if a run's file is gone, since the table is over all runs", async () => {
    const [there, gone] = [run("a", 0, rowsOf(A)), run("b", 0, undefined)];
    await expect(readPredictedRuns([there, gone], scoring)).rejects.toThrow(
      /b-0.validation-predictions\.jsonl, which .* row, is missing: restore it, or remove the run's folder and run it again\./,
    );
    const unscored = { ...gone, metrics: {} };
    expect(await readPredictedRuns([unscored], scoring)).toEqual([{ run: unscored, rows: [] }]);
  });
});

/** The tests over rows alone. */
const overRows = (...given: Parameters<typeof rowTests>) =>
  rowTests(...given).filter((test) => test.test === "bootstrap") as Uncorrected<BootstrapTest>[];

it("the difference over rows equals the difference of the table's means", async () => {
  const runs = [run("a", 0, rowsOf(A)), run("a", 1, rowsOf(C)), run("b", 0, rowsOf(B)), run("b", 1, rowsOf(A))];
  const [test] = overRows("t", ["a", "b"], await readPredictedRuns(runs, scoring), scoring);
  const scoreOf = (values: readonly number[]) => {
    const rows = REFERENCES.map((reference, i) => scoring.metric.measure(reference, { value: values[i] }, i + 1));
    return scoring.metric.result(rows).pearson as number;
  };
  const mean = (one: readonly number[], other: readonly number[]) => (scoreOf(one) + scoreOf(other)) / 2;
  expect(test?.statistic).toBeCloseTo(mean(A, C) - mean(B, A), 12);
  expect(test).toMatchObject({ pairs: 8, metric: "pearson", task: "t", test: "bootstrap" });
  expect([test!.low <= test!.statistic, test!.statistic <= test!.high]).toEqual([true, true]);
  const turned = await readPredictedRuns(runs.toReversed(), scoring);
  expect(overRows("t", ["a", "b"], turned, scoring)).toEqual([test]);
});

it("all pairs of a task have equally many resamples, their number of different rows, and their metric", async () => {
  const runs = [run("a", 0, rowsOf(A)), run("b", 0, rowsOf(B)), run("c", 0, rowsOf(A))];
  const found = overRows("t", ["a", "b", "c"], await readPredictedRuns(runs, scoring), scoring);
  expect(found.map(({ a, b, resamples, population }) => [a, b, resamples, population])).toEqual([
    ["a", "b", 10_000, "rows of this task"],
    ["a", "c", 10_000, "rows of this task"],
    ["b", "c", 10_000, "rows of this task"],
  ]);
  const unlike = A.filter((value, row) => value !== B[row]).length;
  expect(found.map(({ differing }) => differing)).toEqual([unlike, 0, unlike]);
  for (const { p, pStandardError } of found) expect(pStandardError).toBeCloseTo(Math.sqrt((p * (1 - p)) / 10_001), 12);
  expect(found[1]).toMatchObject({ statistic: 0, p: 1 });
});

it("105 pairs of fifteen methods have more resamples, the same number for all", () => {
  const names = Array.from({ length: 15 }, (_, i) => `m${i}`);
  const accuracyOnly: Scoring = {
    ...scoring,
    main: { name: "accuracy", goal: "maximize" },
    metric: mapPrediction(accuracy(), ({ value }: { value: number }) => value) as Scoring["metric"],
  };
  const runs = names.map((method, i) => ({
    run: run(method, 0, []),
    rows: rowsOf(A.map((a, row) => (row < i ? 0 : a))),
  }));
  const found = overRows("t", names, runs, accuracyOnly);
  expect(found).toHaveLength(105);
  expect(new Set(found.map(({ resamples }) => resamples))).toEqual(new Set([10_500]));
});

it("for binary F1, rows that differ only in other classes count as equal", () => {
  const ofClass1: Scoring = {
    ...scoring,
    main: { name: "f1", goal: "maximize" },
    metric: mapPrediction(f1(1), ({ value }: { value: number }) => value) as Scoring["metric"],
  };
  const references = [0, 1, 2, 1, 0, 1];
  const predictions = { a: [0, 1, 2, 1, 0, 0], b: [2, 1, 0, 1, 2, 1] };
  const runs = Object.entries(predictions).map(([method, values]) => ({
    run: run(method, 0, []),
    rows: rowsOf(values, references),
  }));
  expect(overRows("t", ["a", "b"], runs, ofClass1)).toMatchObject([{ pairs: 6, differing: 1 }]);
});

it("a long test says once how long it will take", async () => {
  const runs = await readPredictedRuns([run("a", 0, rowsOf(A)), run("b", 0, rowsOf(B))], scoring);
  const lines: string[] = [];
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => (now += 10));
  overRows("wide", ["a", "b"], runs, scoring, { onNote: (line) => lines.push(line) });
  vi.restoreAllMocks();
  expect(lines).toEqual([
    expect.stringMatching(/^The bootstrap over the rows of wide draws 10,000 resamples: about .* left\.$/),
  ]);
  overRows("t", ["a", "b"], runs, scoring, { onNote: (line) => lines.push(line) });
  expect(lines).toHaveLength(1);
});

it("runs with a seed that only one of two methods has are counted, since the table includes them", async () => {
  const runs = [run("a", 0, rowsOf(A)), run("a", 1, rowsOf(C)), run("a", 2, rowsOf(C)), run("b", 0, rowsOf(B))];
  const tests = overRows("t", ["a", "b"], await readPredictedRuns(runs, scoring), scoring);
  expect(tests).toMatchObject([{ unmatched: 2 }]);
  const [test] = overRows("t", ["a", "b"], await readPredictedRuns([runs[0]!, runs[3]!], scoring), scoring);
  expect(test).toEqual({ ...tests[0], unmatched: 0 });
});

it("a metric that is undefined on many resamples is left out, with one note", async () => {
  const words = {
    ...scoring,
    main: { name: "accuracy", goal: "maximize" } as const,
    metric: mapPrediction(wordAccuracy(), ({ labels }: { labels: string[] }) => labels) as never,
  };
  const row = (labels: readonly string[], i: number) => ({ line: i, reference: labels, prediction: { labels } });
  const rows = [["a", "b"], [], [], []].map(row);
  const runs = ["a", "b", "c"].flatMap((method) =>
    [0, 1].map((seed) => ({ ...run(method, seed, rows), metrics: { accuracy: 1 } })),
  );
  const notes: string[] = [];
  const tests = overRows("t", ["a", "b", "c"], await readPredictedRuns(runs, words), words, {
    onNote: (line) => notes.push(line),
  });
  expect(tests).toEqual([]);
  expect(notes).toEqual([
    expect.stringMatching(
      /^The bootstrap over the rows of t is left out: .*"accuracy".* none in \d+ of 10000 samples drawn/,
    ),
  ]);
});

it("language models are compared by their losses, means over tokens", async () => {
  const losses = [
    [3, 8, 5, 2],
    [4, 6, 5, 1],
  ].map((values) => values.map((loss, i) => ({ line: i, text: "", prediction: { loss, tokens: i + 1, correct: 0 } })));
  const runs = losses.map((rows, i) => run(`method-${i}`, 0, rows));
  writeFileSync(join(runs[0]!.folder, "run.yaml"), "task: causal-lm\n");
  const metrics = { perplexity: 2, tokenAccuracy: 0, loss: 1.8 };
  const found = scoringOf([{ folder: runs[0]!.folder, metrics }]);
  expect(found.main).toEqual({ name: "loss", goal: "minimize", kind: "tokens" });
  const [test] = overRows("t", ["method-0", "method-1"], await readPredictedRuns(runs, found), found);
  expect(test).toMatchObject({ metric: "loss", pairs: 4 });
  // The second method's loss is lower, so it is better: the sign is that of the Wilcoxon test's effect.
  expect(test?.statistic).toBeCloseTo(16 / 10 - 18 / 10, 12);
  expect(test!.low).toBeLessThan(test!.statistic);
  expect(test!.high).toBeGreaterThan(test!.statistic);
  const compared = { methods: ["method-0", "method-1"], tasks: [{ name: "t", metrics: [found.main] as const }] };
  const of = (loss: number, one: CollectedRun) => ({ ...one, metrics: { loss } });
  const [ranked] = significance({ ...compared, runs: [of(1.8, runs[0]!), of(1.6, runs[1]!)] });
  expect(ranked!.effect).toMatchObject({ rankBiserial: -1, meanDifference: expect.closeTo(-0.2, 12) });
});

it("a data set scored by texts is tested on these, and its held-out rows on their loss", () => {
  const { folder } = run("lora", 0, []);
  writeFileSync(join(folder, "run.yaml"), "task: e2e-nlg\n");
  expect(scoringOf([{ folder, metrics: { bleu: 0.5, loss: 1 } }]).main).toEqual({ name: "bleu", goal: "maximize" });
  expect(watchedMetric(folder)).toEqual({ name: "loss", goal: "minimize" });
});

it("a run whose log lacks its end has an unknown cost, not zero", async () => {
  const output = fresh("comparison");
  const folder = join(output, "t/lora/seed-0");
  mkdirSync(folder, { recursive: true });
  const start = { event: "start", versions: {}, machine: {}, settings: {}, parameters: { trained: 5, total: 9 } };
  const done = { event: "done", metrics: {}, seconds: 3, peakMemoryBytes: 7 };
  writeFileSync(join(folder, ".bidora-run"), "");
  writeFileSync(join(folder, "metrics.json"), "{}");
  const tell = (...events: object[]) =>
    writeFileSync(join(folder, "events.jsonl"), events.map((event) => `${JSON.stringify(event)}\n`).join(""));
  tell(start, done);
  expect(await collectRuns(output)).toMatchObject([{ trainedParameters: 5, seconds: 3, peakMemoryBytes: 7 }]);
  tell(start);
  await expect(collectRuns(output)).rejects.toThrow("events.jsonl has lost the end of its run");
  tell(done);
  await expect(collectRuns(output)).rejects.toThrow("has lost the beginning of its run");
});

describe("tests over the seeds and rows of a task", () => {
  const overSeeds = (...given: Parameters<typeof rowTests>) =>
    rowTests(...given).filter((test) => test.test === "two-level") as Uncorrected<TwoLevelTest>[];
  const withLoss = (values: readonly number[], losses: readonly number[]) =>
    rowsOf(values).map((row, i) => ({ ...row, loss: losses[i]!, ...(i % 3 > 0 && { weight: (i % 3) + 1 }) }));
  const LOSS: Scoring = { ...scoring, loss: { name: "loss", goal: "minimize" } };
  const meanLoss = (losses: readonly number[]) =>
    losses.reduce((sum, loss) => sum + loss, 0) / losses.reduce((sum, _, i) => sum + (i % 3) + 1, 0);
  const lossRun = (method: string, seed: number, values: readonly number[], losses: readonly number[]) => ({
    ...run(method, seed, withLoss(values, losses)),
    metrics: { pearson: 0.5, loss: meanLoss(losses) },
  });

  it("take runs that are equal to those of another seed once", async () => {
    const losses = [0.1, 0.4, 0.2, 0.3, 0.5, 0.2, 0.1, 0.6];
    const lossesOf = (step: number) => losses.map((loss) => loss + step);
    const both = (seed: number, step: number) => [
      lossRun("a", seed, A, lossesOf(step)),
      lossRun("b", seed, B, lossesOf(0.1 - 2 * step)),
    ];
    const two = [...both(0, 0), ...both(1, 0.05)];
    const copied = [...two, ...both(2, 0), ...both(3, 0.05), ...both(4, 0)];
    const found = async (runs: typeof two) =>
      rowTests("t", ["a", "b"], await readPredictedRuns(runs, LOSS), LOSS, { margin: 0.5 });
    const [once, often] = [await found(two), await found(copied)];
    expect(once.map(({ test }) => test)).toEqual(["two-level", "two-level", "equivalence", "bootstrap"]);
    expect(often).toEqual(once.map((test) => ({ ...test, repeated: 3 })));
    expect(once.every(({ unmatched }) => unmatched === 0)).toBe(true);
  });

  it("need two common seeds", async () => {
    const single = [run("a", 0, rowsOf(A)), run("a", 1, rowsOf(C)), run("b", 0, rowsOf(B)), run("b", 2, rowsOf(A))];
    expect(overSeeds("t", ["a", "b"], await readPredictedRuns(single, scoring), scoring)).toEqual([]);
    const two = [...single, run("b", 1, rowsOf(C))];
    const [test, ...others] = overSeeds("t", ["a", "b"], await readPredictedRuns(two, scoring), scoring);
    expect(others).toEqual([]);
    expect(test).toMatchObject({ seeds: 2, pairs: 8, unmatched: 1, confidence: 0.95, resamples: 10_000 });
    expect(test).toMatchObject({ task: "t", population: "seeds and rows of this task", metric: "pearson" });
  });

  it("are of the planned pairs alone, which are the family that is corrected", async () => {
    const values = { a: [A, REFERENCES], b: [B, A], c: [B, [...B.slice(1), 9]] };
    const runs = Object.entries(values).flatMap(([method, seeds]) =>
      seeds.map((one, seed) => run(method, seed, rowsOf(one))),
    );
    const predicted = await readPredictedRuns(runs, scoring);
    const tested = [["c", "a"]] as const;
    const [planned, every] = [{ tested }, {}].map((options) =>
      corrected(rowTests("t", ["a", "b", "c"], predicted, scoring, options)),
    );
    const ofPair = (tests: typeof planned = []) => tests.filter(({ a, b }) => a === "a" && b === "c");
    expect(planned).toEqual(ofPair(planned));
    expect(planned!.map(({ test }) => test)).toEqual(["two-level", "bootstrap"]);
    const [alone, among] = [ofPair(planned)[0] as TwoLevelTest, ofPair(every)[0] as TwoLevelTest];
    expect(alone).toEqual({ ...among, pHolm: among.p });
    expect(among.pHolm).toBeGreaterThan(among.p);
    const comparison = { tasks: [{ name: "t", metrics: [scoring.main] }], methods: ["a", "b", "c"], runs } as const;
    expect(significance({ ...comparison, pairs: tested }).map(({ a, b }) => [a, b])).toEqual([["a", "c"]]);
  });

  it("have the mean difference over seeds, in a wider interval than rows alone give", async () => {
    const runs = [run("a", 0, rowsOf(A)), run("a", 1, rowsOf(C)), run("b", 0, rowsOf(B)), run("b", 1, rowsOf(A))];
    const predicted = await readPredictedRuns(runs, scoring);
    const [[rows], [both]] = [overRows, overSeeds].map((tests) => tests("t", ["a", "b"], predicted, scoring)) as [
      Uncorrected<BootstrapTest>[],
      Uncorrected<TwoLevelTest>[],
    ];
    expect(both!.difference).toBeCloseTo(rows!.statistic, 12);
    expect(both!.low).toBeLessThan(rows!.low);
    expect(both!.high).toBeGreaterThan(rows!.high);
  });

  it("test the loss beside the main metric, by the runs' own losses, less being better", async () => {
    const [low, high, other] = [
      [1, 2, 1, 2, 1, 2, 1, 2],
      [3, 5, 4, 4, 3, 5, 4, 4],
      [3, 4, 5, 4, 3, 4, 5, 6],
    ];
    const runs = [
      lossRun("a", 0, A, low),
      lossRun("a", 1, C, low),
      lossRun("b", 0, B, high),
      lossRun("b", 1, A, other),
    ];
    const tests = overSeeds("t", ["a", "b"], await readPredictedRuns(runs, LOSS), LOSS);
    expect(tests.map(({ metric }) => metric)).toEqual(["pearson", "loss"]);
    const expected = (meanLoss(high) + meanLoss(other)) / 2 - meanLoss(low);
    expect(tests[1]!.difference).toBeCloseTo(expected, 12);
    // Rows keep seven digits of their losses, the run all of its own.
    const exact = runs.map((one) => ({
      ...one,
      metrics: { ...one.metrics, loss: one.metrics.loss + 1e-6 * one.seed },
    }));
    exact[3]!.metrics.loss += 1e-6;
    const [, ofExact] = overSeeds("t", ["a", "b"], await readPredictedRuns(exact, LOSS), LOSS);
    expect(ofExact!.difference).toBeCloseTo(expected + 0.5e-6, 12);
    expect(tests[1]!.low).toBeLessThan(expected);
    expect(tests[1]!.differing).toBe(8);
  });

  it("say that the loss is not tested if runs did not keep it, as those of earlier versions", async () => {
    const notes: string[] = [];
    const runs = [lossRun("a", 0, A, A), lossRun("a", 1, C, A), run("b", 0, rowsOf(B)), run("b", 1, rowsOf(A))];
    const predicted = await readPredictedRuns(runs, LOSS);
    const tests = overSeeds("t", ["a", "b"], predicted, LOSS, { onNote: (note) => notes.push(note) });
    expect(tests.map(({ metric }) => metric)).toEqual(["pearson"]);
    expect(notes).toEqual(["The loss on t is not tested, because its runs kept no loss of each row."]);
  });

  it("give p = 1 and an interval of 0 for methods whose runs are equal with each seed", async () => {
    const runs = ["a", "b"].flatMap((method) => [0, 1, 2].map((seed) => run(method, seed, rowsOf(A))));
    const [test] = overSeeds("t", ["a", "b"], await readPredictedRuns(runs, scoring), scoring);
    expect(test).toMatchObject({ difference: 0, low: 0, high: 0, p: 1, pStandardError: 0 });
  });

  it("test equivalence only with a margin, which both ends of the 90 % interval lie strictly within", async () => {
    const runs = [run("a", 0, rowsOf(A)), run("a", 1, rowsOf(A)), run("b", 0, rowsOf(B)), run("b", 1, rowsOf(B))];
    const predicted = await readPredictedRuns(runs, LOSS);
    const of = (margin?: number) =>
      rowTests("t", ["a", "b"], predicted, scoring, { margin }).filter(
        ({ test }) => test === "equivalence",
      ) as Uncorrected<EquivalenceTest>[];
    expect(of()).toEqual([]);
    const [{ low, high, difference } = { low: 0, high: 0, difference: 0 }] = of(0.1);
    const [whole] = overSeeds("t", ["a", "b"], predicted, scoring);
    expect([whole!.low < low, low < difference, difference < high, high < whole!.high]).not.toContain(false);
    const limit = Math.max(-low, high);
    expect(of(limit)).toMatchObject([{ equivalent: false, margin: limit, confidence: 0.9, metric: "pearson" }]);
    expect(of(limit * 1.0001)).toMatchObject([{ equivalent: true }]);
    expect(Math.abs(low)).not.toBe(Math.abs(high));
    const between = (Math.abs(low) + Math.abs(high)) / 2;
    for (const methods of [
      ["a", "b"],
      ["b", "a"],
    ]) {
      const tests = rowTests("t", methods, predicted, scoring, { margin: between });
      expect(tests.find(({ test }) => test === "equivalence")).toMatchObject({ equivalent: false });
    }
  });

  it("are one family: Holm's correction is over tasks, metrics and pairs; tests over rows alone are corrected by task", async () => {
    const runs = [A, B, C].flatMap((values, i) =>
      [0, 1].map((seed) =>
        lossRun(
          `m${i}`,
          seed,
          values.with(seed, 5),
          values.map((value) => value / (seed + 2)),
        ),
      ),
    );
    const predicted = await readPredictedRuns(runs, LOSS);
    const tests = corrected(["t", "u"].flatMap((task) => rowTests(task, ["m0", "m1", "m2"], predicted, LOSS)));
    const family = tests.filter((test) => test.test === "two-level");
    expect(family).toHaveLength(12);
    const smallest = family.reduce((least, test) => (test.p < least.p ? test : least));
    expect(smallest.pHolm).toBeCloseTo(Math.min(1, 12 * smallest.p), 12);
    const alone = tests.filter((test) => test.test === "bootstrap" && test.task === "t") as BootstrapTest[];
    const least = alone.reduce((least, test) => (test.p < least.p ? test : least));
    expect(least.pHolm).toBeCloseTo(Math.min(1, 3 * least.p), 12);
  });
});

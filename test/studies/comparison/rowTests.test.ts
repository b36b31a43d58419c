import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { type CollectedRun, collectRuns } from "../../../src/studies/comparison/results/collectRuns.js";
import { readPredictedRuns, rowTests } from "../../../src/studies/comparison/results/rowTests.js";
import { type Scoring, scoringOf, watchedMetric } from "../../../src/studies/comparison/results/scoring.js";
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
  return { task: "t", method, seed, folder, metrics: { pearson: 0.5, loss: 1 }, ...spent };
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

it("the difference over rows equals the difference of the table's means", async () => {
  const runs = [run("a", 0, rowsOf(A)), run("a", 1, rowsOf(C)), run("b", 0, rowsOf(B)), run("b", 1, rowsOf(A))];
  const [test] = rowTests("t", ["a", "b"], await readPredictedRuns(runs, scoring), scoring);
  const scoreOf = (values: readonly number[]) => {
    const rows = REFERENCES.map((reference, i) => scoring.metric.measure(reference, { value: values[i] }, i + 1));
    return scoring.metric.result(rows).pearson as number;
  };
  const mean = (one: readonly number[], other: readonly number[]) => (scoreOf(one) + scoreOf(other)) / 2;
  expect(test?.statistic).toBeCloseTo(mean(A, C) - mean(B, A), 12);
  expect(test).toMatchObject({ pairs: 8, metric: "pearson", task: "t", test: "bootstrap" });
  expect([test!.low <= test!.statistic, test!.statistic <= test!.high]).toEqual([true, true]);
  const turned = await readPredictedRuns(runs.toReversed(), scoring);
  expect(rowTests("t", ["a", "b"], turned, scoring)).toEqual([test]);
});

it("all pairs of a task have equally many resamples, their number of different rows, and their metric", async () => {
  const runs = [run("a", 0, rowsOf(A)), run("b", 0, rowsOf(B)), run("c", 0, rowsOf(A))];
  const found = rowTests("t", ["a", "b", "c"], await readPredictedRuns(runs, scoring), scoring);
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
  const found = rowTests("t", names, runs, accuracyOnly);
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
  expect(rowTests("t", ["a", "b"], runs, ofClass1)).toMatchObject([{ pairs: 6, differing: 1 }]);
});

it("a long test says once how long it will take", async () => {
  const runs = await readPredictedRuns([run("a", 0, rowsOf(A)), run("b", 0, rowsOf(B))], scoring);
  const lines: string[] = [];
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => (now += 10));
  rowTests("wide", ["a", "b"], runs, scoring, { onNote: (line) => lines.push(line) });
  vi.restoreAllMocks();
  expect(lines).toEqual([
    expect.stringMatching(/^The bootstrap over the rows of wide draws 10,000 resamples: about .* left\.$/),
  ]);
  rowTests("t", ["a", "b"], runs, scoring, { onNote: (line) => lines.push(line) });
  expect(lines).toHaveLength(1);
});

it("runs with a seed that only one of two methods has are counted, since the table includes them", async () => {
  const runs = [run("a", 0, rowsOf(A)), run("a", 1, rowsOf(C)), run("a", 2, rowsOf(C)), run("b", 0, rowsOf(B))];
  const tests = rowTests("t", ["a", "b"], await readPredictedRuns(runs, scoring), scoring);
  expect(tests).toMatchObject([{ unmatched: 2 }]);
  const [test] = rowTests("t", ["a", "b"], await readPredictedRuns([runs[0]!, runs[3]!], scoring), scoring);
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
  const tests = rowTests("t", ["a", "b", "c"], await readPredictedRuns(runs, words), words, {
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
  const [test] = rowTests("t", ["method-0", "method-1"], await readPredictedRuns(runs, found), found);
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

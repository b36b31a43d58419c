import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CollectedRun } from "../../../src/studies/comparison/results/collectRuns.js";
import { readPredictedRuns } from "../../../src/studies/comparison/results/predictedRuns.js";
import { summarizeRuns } from "../../../src/studies/comparison/results/results.js";
import { rowTests } from "../../../src/studies/comparison/results/rowTests.js";
import { scoringOf, watchedMetric } from "../../../src/studies/comparison/results/scoring.js";
import { significance } from "../../../src/studies/statistics/significance.js";
import { comparisonTables } from "../../../src/studies/tables/comparisonTables.js";
import { latexTable } from "../../../src/studies/tables/renderTable.js";
import { terminalTable } from "../../../src/studies/tables/terminalTable.js";
import { fresh } from "../../e2e/support.js";

const COUNTS = { validation: 408, test: 4693 };

function run(
  task: string,
  method: string,
  seed: number,
  metrics: CollectedRun["metrics"],
  { as = "sequence-classification", ...more }: Partial<CollectedRun> & { readonly as?: string } = {},
): CollectedRun {
  const folder = fresh(`${task}-${method}-${seed}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "run.yaml"), `task: ${as}\n`);
  const scored = { ...COUNTS, stopsByValidation: false };
  const spent = { trainedParameters: 1, seconds: 1, peakMemoryBytes: 1, steps: 1, rows: 1, evaluations: [] };
  return { task, method, seed, folder, metrics, ...spent, scored, ...more };
}

const both = (test: number, validation: number) => ({
  accuracy: validation,
  macroF1: validation,
  loss: 1,
  test_accuracy: test,
  test_macroF1: test,
  test_loss: 1,
});

const asked = { tasks: [], methods: [], reach: undefined };

it("losses of runs that were trained with different ones are shown, and not compared", () => {
  const trained = (name: string, metrics: CollectedRun["metrics"]) => {
    const one = run("t", name, 0, metrics, { as: "preference" });
    writeFileSync(
      join(one.folder, "bidora.json"),
      JSON.stringify({ formatVersion: 1, method: "lora", loss: { loss: name, beta: 0.1 } }),
    );
    return one;
  };
  const scores = { rewards_accuracy: 0.5, loss: 0.6 };
  const paired = [trained("sigmoid", scores), trained("ipo", scores)] as const;
  const { main, loss, others } = scoringOf(paired);
  expect([main.name, loss, others.map(({ name }) => name)]).toEqual(["rewards_accuracy", undefined, ["loss"]]);
  expect(scoringOf([paired[0], paired[0]]).loss).toMatchObject({ name: "loss" });
  const lossAlone = [trained("orpo", { loss: 2 }), trained("simpo", { loss: 1 })];
  expect(() => scoringOf(lossAlone)).toThrow(/trained with different losses, .*orpo.* and .*simpo.*--main-metric/);
});

describe("the main metric", () => {
  const runs = [run("t", "lora", 0, both(0.5, 0.9)), run("t", "dora", 0, both(0.6, 0.8))];

  it("can be another one of the task's, which is then the first, and tested", () => {
    const { main, others, beside } = scoringOf(runs, "macroF1");
    expect([main.name, others.map(({ name }) => name), beside.map(({ name }) => name)]).toEqual([
      "test_macroF1",
      ["test_accuracy"],
      ["macroF1"],
    ]);
    const [task] = summarizeRuns(runs, { ...asked, mainMetrics: { t: "macroF1" } }).tasks;
    expect(task?.metrics.map(({ name }) => name)).toEqual(["test_macroF1", "test_accuracy"]);
  });

  it("is refused with the task's metrics if it is none of them", () => {
    expect(() => scoringOf(runs, "macrof1")).toThrow(
      '--main-metric takes one of accuracy, macroF1; got macrof1. Did you mean "macroF1"?',
    );
    expect(() => scoringOf(runs, "loss")).toThrow("takes one of accuracy, macroF1");
  });

  it("also decides the grid, except where it is of texts, which are not generated for held-out rows", () => {
    expect(watchedMetric(runs[0]!.folder).name).toBe("accuracy");
    expect(watchedMetric(runs[0]!.folder, "macroF1")).toEqual({ name: "macroF1", goal: "maximize" });
    const texts = run("t", "lora", 0, {}, { as: "e2e-nlg" });
    expect(watchedMetric(texts.folder, "bleu").name).toBe(watchedMetric(texts.folder).name);
    expect(watchedMetric(texts.folder, "perplexity")).toEqual({ name: "perplexity", goal: "minimize" });
  });

  it("can be of texts, or of tokens", () => {
    const texts = [run("t", "lora", 0, { bleu: 0.5, nist: 4, loss: 1, perplexity: 3 }, { as: "e2e-nlg" })];
    expect(scoringOf(texts).main.name).toBe("bleu");
    for (const name of ["nist", "perplexity", "loss"]) {
      const { main, metric } = scoringOf(texts, name);
      expect([main.name, Object.hasOwn(metric.values, name)]).toEqual([name, true]);
    }
  });
});

describe("a comparison of embeddings", () => {
  it.each([
    ["spearman", true],
    ["ndcg@10", false],
  ])("goes by %s", (name, isScored) => {
    const one = run("t", "lora", 0, { pearson: 0.1, "mrr@10": 0.1, [name]: 0.2, loss: 1 }, { as: "embedding" });
    const metadata = { formatVersion: 1, method: "lora", task: "embedding", labels: [], isScored };
    writeFileSync(join(one.folder, "bidora.json"), JSON.stringify(metadata));
    const { main, others } = scoringOf([one]);
    expect(main).toEqual({ name, goal: "maximize" });
    expect(others.map(({ goal }) => goal)).toEqual(["maximize", "maximize"]);
  });
});

describe("a comparison of runs with test rows", () => {
  const runs = [run("t", "lora", 0, both(0.5, 0.9)), run("t", "dora", 0, both(0.6, 0.8))];

  it("compares their test metrics, and shows validation metrics beside them", () => {
    const [task] = summarizeRuns(runs, asked).tasks;
    expect(task).toEqual({
      name: "t",
      metrics: [
        { name: "test_accuracy", goal: "maximize", kind: "rows" },
        { name: "test_macroF1", goal: "maximize", kind: "classes of rows" },
      ],
      rows: { split: "test", count: 4693 },
      beside: {
        rows: { split: "validation", count: 408 },
        metrics: [{ name: "accuracy", goal: "maximize", kind: "rows" }],
      },
    });
  });

  it("has both in its tables under separate headings, with the best test metric marked", () => {
    const [table] = comparisonTables(summarizeRuns(runs, asked));
    const columns = table!.columns.map(({ title, cells }) => [
      title,
      ...cells.map(({ text, best }) => text + (best ? "*" : "")),
    ]);
    expect(table!.title).toBe("t (test, 4,693 rows)");
    expect(columns.slice(0, 3)).toEqual([
      ["Accuracy", "0.6000*", "0.5000"],
      ["Macro F1", "0.6000*", "0.5000"],
      ["Accuracy (validation, 408 rows)", "0.8000", "0.9000"],
    ]);
    expect(terminalTable(table!)).toContain("t (test, 4,693 rows)");
    expect(latexTable(table!)).toContain("\\multicolumn{7}{l}{t (test, 4,693 rows)}");
  });

  it("has significance tests on test rows only, by runs and by rows", async () => {
    const found = summarizeRuns(runs, asked);
    expect(significance(found).map(({ metric }) => metric)).toEqual(["test_accuracy"]);
    for (const [i, { folder }] of runs.entries()) {
      const row = (right: boolean) =>
        `${JSON.stringify({ file: "rows.csv", line: 1, reference: 0, prediction: { label: right ? "a" : "b" } })}\n`;
      writeFileSync(
        join(folder, "bidora.json"),
        JSON.stringify({ formatVersion: 1, method: "lora", labels: ["a", "b"] }),
      );
      writeFileSync(join(folder, "test-predictions.jsonl"), row(i === 0) + row(true) + row(true));
      writeFileSync(join(folder, "validation-predictions.jsonl"), row(true) + row(true));
    }
    const scoring = scoringOf(runs as [CollectedRun, CollectedRun]);
    const predicted = await readPredictedRuns(runs, scoring);
    expect(predicted.map(({ rows }) => rows.length)).toEqual([3, 3]);
    const [test] = rowTests("t", ["lora", "dora"], predicted, scoring);
    expect(test).toMatchObject({ metric: "test_accuracy", pairs: 3 });
  });

  it("keeps them apart from validation rows of another task", () => {
    const other = ["lora", "dora"].map((method) => run("other", method, 0, { accuracy: 0.7, macroF1: 0.7, loss: 1 }));
    const found = summarizeRuns([...runs, ...other], asked);
    expect(found.tasks.map(({ name, rows, beside }) => [name, rows?.split, beside?.rows.split])).toEqual([
      ["other", "validation", undefined],
      ["t", "test", "validation"],
    ]);
    // The validation accuracy of t is shown, and no pair of a test.
    const pairs = significance(found).filter(({ metric }) => metric === "accuracy");
    expect(pairs.map((test) => test.pairs)).toEqual(pairs.map(() => 1));
  });

  it("refuses runs of the same task without test rows", () => {
    const without = run("t", "dora", 1, { accuracy: 0.7, macroF1: 0.7, loss: 1 });
    expect(() => summarizeRuns([...runs, without], asked)).toThrow(
      /t-lora-0 was scored on test rows, .*t-dora-1 on validation rows only, so their scores can't be compared/,
    );
    // A run that has no score at all takes part in no decision.
    expect(summarizeRuns([...runs, run("t", "full", 0, {})], asked).tasks[0]?.rows?.split).toBe("test");
  });

  it("computes the cost to reach a score on validation rows, as the column says", () => {
    const evaluations = [
      { step: 5, seconds: 1, accuracy: 0.75 },
      { step: 9, seconds: 2, ...both(0.9, 0.85) },
    ];
    const looked = [run("t", "lora", 0, both(0.9, 0.85), { evaluations })];
    const found = summarizeRuns(looked, { ...asked, reach: 0.7 });
    expect(found.reached).toMatchObject([{ split: "validation", runs: [{ cost: { step: 5 } }] }]);
    const titles = comparisonTables(found, found.reached)[0]!.columns.map(({ title }) => title);
    expect(titles).toContain("Steps to 0.7000 on validation rows");
    const alone = { test_accuracy: 0.9, test_loss: 1 };
    const tested = [run("t", "lora", 0, alone, { evaluations: [{ step: 9, seconds: 2, ...alone }] })];
    expect(summarizeRuns(tested, { ...asked, reach: 0.7 }).reached).toMatchObject([
      { split: "test", runs: [{ cost: { step: 9 } }] },
    ]);
  });

  it.each([
    ["causal-lm", "loss", "minimize", { kind: "tokens" }, { loss: 2, perplexity: 7, tokenAccuracy: 0.5 }],
    ["e2e-nlg", "bleu", "maximize", {}, { bleu: 0.5, nist: 3, loss: 2, perplexity: 7 }],
    ["regression", "meanSquaredError", "minimize", {}, { meanSquaredError: 1, pearson: 0.5, loss: 1 }],
    ["token-classification", "accuracy", "maximize", { kind: "words" }, { accuracy: 0.5, loss: 1 }],
  ] as const)("of %s uses test_%s and its direction", (as, main, goal, kind, metrics) => {
    const test = Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`test_${name}`, value]));
    // What a run holds out says nothing of it in a comparison.
    const runs = [run("t", "lora+es", 0, { ...metrics, ...test, [`holdout_${main}`]: 1, holdout_loss: 1 }, { as })];
    const side = { formatVersion: 1, method: "lora", labels: as === "token-classification" ? ["NOUN", "VERB"] : [] };
    writeFileSync(join(runs[0]!.folder, "bidora.json"), JSON.stringify(side));
    const [task] = summarizeRuns(runs, asked).tasks;
    expect(task?.metrics[0]).toEqual({ name: `test_${main}`, goal, ...kind });
    expect(task?.beside?.metrics).toEqual([{ name: main, goal, ...kind }]);
    expect(task?.metrics.filter(({ name }) => !name.startsWith("test_"))).toEqual([]);
    const perplexity = task?.metrics.find(({ name }) => name === "test_perplexity");
    expect(perplexity?.goal).toBe("perplexity" in metrics ? "minimize" : undefined);
  });
});

describe("a comparison of runs with validation rows only", () => {
  it("compares their validation metrics, as the heading says", () => {
    const scored = { validation: 408, stopsByValidation: false };
    const runs = ["lora", "dora"].map((method) => run("t", method, 0, { accuracy: 0.7, loss: 1 }, { scored }));
    const found = summarizeRuns(runs, asked);
    expect(found.tasks).toEqual([
      {
        name: "t",
        metrics: [{ name: "accuracy", goal: "maximize", kind: "rows" }],
        rows: { split: "validation", count: 408 },
      },
    ]);
    expect(comparisonTables(found)[0]?.title).toBe("t (validation, 408 rows)");
  });

  it("names earlier runs that were stopped early by these rows", () => {
    const scored = { ...COUNTS, stopsByValidation: true };
    const stopped = (metrics: CollectedRun["metrics"]) => [
      run("t", "lora", 0, metrics, { scored }),
      run("t", "dora", 0, metrics),
    ];
    const found = summarizeRuns(stopped({ accuracy: 0.7 }), asked);
    expect(found.tasks[0]?.chosenByRows).toEqual(["lora"]);
    expect(comparisonTables(found)[0]?.notes.join(" ")).toContain(
      "On t, early stopping of lora used the validation rows, which makes their scores on these rows too good",
    );
    expect(summarizeRuns(stopped(both(0.5, 0.7)), asked).tasks[0]?.chosenByRows).toEqual(["lora"]);
    expect(summarizeRuns(stopped({ test_accuracy: 0.7 }), asked).tasks[0]).not.toHaveProperty("chosenByRows");
  });
});

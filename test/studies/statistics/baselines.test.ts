import { describe, expect, test } from "vitest";
import type { Comparison } from "../../../src/base/records/comparison.js";
import { baselinesOf } from "../../../src/studies/statistics/baselines.js";
import { significance } from "../../../src/studies/statistics/significance.js";
import { comparisonTables } from "../../../src/studies/tables/comparisonTables.js";
import { latexTable, markdownTable } from "../../../src/studies/tables/renderTable.js";
import { terminalTable } from "../../../src/studies/tables/terminalTable.js";
import { accuracy, perplexity, run, runsOf, task } from "./sampleComparison.js";

const baseline = (task: string, baseline: "majority" | "start", metric: string, value: number) => ({
  ...{ task, baseline, metric, value },
});

test("baselines are means over the runs of a task that recorded them", () => {
  const recorded = [
    { task: "t", baselines: { majority: { accuracy: 0.5 }, start: { accuracy: 0.25 } } },
    { task: "t", baselines: { majority: { accuracy: 0.5 }, start: { accuracy: 0.5 } } },
    { task: "u", baselines: { start: { loss: 2 } } },
    { task: "t" },
  ];
  expect(baselinesOf(recorded)).toEqual([
    baseline("t", "majority", "accuracy", 0.5),
    baseline("t", "start", "accuracy", 0.375),
    baseline("u", "start", "loss", 2),
  ]);
});

describe("baselines in tables", () => {
  const comparison: Comparison = {
    methods: ["lora", "dora"],
    tasks: [task("t", accuracy)],
    runs: [...runsOf("t", "lora", "accuracy", [0.6, 0.7]), ...runsOf("t", "dora", "accuracy", [0.4, 0.5])],
    baselines: [baseline("t", "majority", "accuracy", 0.9), baseline("t", "start", "accuracy", 0.45)],
  };
  const [table] = comparisonTables(comparison);

  test("are the last rows, apart from the methods, and never the best", () => {
    expect(table).toMatchObject({ names: ["lora", "dora", "majority", "start"], apart: 2 });
    expect(table!.columns[0]!.cells).toEqual([
      { text: "0.6500 ± 0.0707", best: true },
      { text: "0.4500 ± 0.0707", best: false },
      { text: "0.9000", best: false },
      { text: "0.4500", best: false },
    ]);
    expect(table!.columns.slice(1).map(({ cells }) => cells.slice(2).map(({ text }) => text))).toEqual(
      table!.columns.slice(1).map(() => ["–", "–"]),
    );
    expect(terminalTable(table!)).toMatch(/^dora.*\n\nmajority +0\.9000/m);
    expect(latexTable(table!)).toMatch(/^dora .*\n\\midrule\nmajority & 0\.9000/m);
    expect(markdownTable(table!)).toMatch(/^\| majority +\| +0\.9000 \|/m);
  });

  test("are in no test", () => {
    const { baselines: _, ...without } = comparison;
    expect(significance(comparison)).toEqual(significance(without));
  });

  test("have a note on methods that are no better than a constant, also for a metric that is better when lower", () => {
    const note = (of: Comparison) => comparisonTables(of)[0]!.notes.filter((line) => line.includes("no better"));
    expect(note(comparison)).toEqual(["On t, lora, dora are no better than majority (Accuracy 0.9000)."]);
    const lower: Comparison = {
      ...{ methods: ["lora", "dora"], tasks: [task("t", perplexity)] },
      runs: [run("t", "lora", 0, { perplexity: 0.1 + 0.2 }), run("t", "dora", 0, { perplexity: 0.2 })],
      baselines: [baseline("t", "majority", "perplexity", 0.3)],
    };
    expect(note(lower)).toEqual(["On t, lora is no better than majority (Perplexity 0.3000)."]);
    expect(note({ ...lower, baselines: [baseline("t", "start", "perplexity", 0.1)] })).toEqual([]);
  });

  test("of several tasks are rows of each table, without costs; a task without one has a dash", () => {
    const two: Comparison = {
      ...comparison,
      tasks: [task("t", accuracy), task("u", accuracy)],
      runs: [...comparison.runs, ...runsOf("u", "lora", "accuracy", [0.5])],
    };
    const [scores, ofTask] = comparisonTables(two);
    expect(scores!.columns[1]!.cells.slice(2).map(({ text }) => text)).toEqual(["–", "–"]);
    expect(ofTask!.names).toEqual(["lora", "dora", "majority", "start"]);
    const time = ofTask!.columns.find(({ title }) => title === "Time")!;
    expect(time.cells.slice(2).map(({ text }) => text)).toEqual(["–", "–"]);
  });
});

import { describe, expect, test } from "vitest";
import type { Comparison, TriedPoint } from "../../../src/base/records/comparison.js";
import { comparisonTables } from "../../../src/studies/statistics/comparisonTables.js";
import { accuracy, run, runsOf, task } from "./sampleComparison.js";

const comparison: Comparison = {
  methods: ["lora", "bidora"],
  tasks: [task("t", accuracy)],
  runs: [...runsOf("t", "lora", "accuracy", [0.5, 0.75]), ...runsOf("t", "bidora", "accuracy", [0.9, 0.9])],
};

const point = (method: string, point: TriedPoint["point"], more: Partial<TriedPoint> = {}): TriedPoint => ({
  ...{ task: "t", method, seed: 0, point, score: 0.5, seconds: 10, chosen: false, ...more },
});

const column = (of: Comparison, title: string) =>
  comparisonTables(of)
    .flatMap(({ columns }) => columns)
    .filter((one) => one.title === title)
    .map(({ cells }) => cells.map(({ text }) => text));

describe("the tuning", () => {
  const tuning = [
    point("lora", { learningRate: 0.1 }, { chosen: true }),
    point("bidora", { learningRate: 0.1, xi: 0 }),
    point("bidora", { learningRate: 0.1, xi: "learning-rate" }, { chosen: true, tied: 2 }),
    point("bidora", { learningRate: 0.2, xi: 0 }, { score: null, seconds: null, reason: "it diverged" }),
  ];
  const tuned = { ...comparison, tuning };

  test("has the number of its points beside each method, and its time beside that of the reported runs", () => {
    expect(column(tuned, "Points tried")).toEqual([["1 (others 3)", "3 (others 1)"]]);
    expect(column(tuned, "Time")).toEqual([["12.3 s + 10.0 s tuning", "12.3 s + 20.0 s tuning"]]);
    expect(column(comparison, "Points tried")).toEqual([]);
    expect(column(comparison, "Time")).toEqual([["12.3 s", "12.3 s"]]);
    expect(column({ ...tuned, methods: ["lora", "bidora", "full"] }, "Points tried")[0]).toEqual([
      ...["1 (others 3)", "3 (others 1)", "–"],
    ]);
    const equal = [tuning[0]!, tuning[1]!];
    expect(column({ ...tuned, tuning: equal }, "Points tried")).toEqual([["1", "1"]]);
  });

  test("is noted where methods had unequal choices, and where scores are equal", () => {
    expect(comparisonTables(tuned)[0]!.notes.slice(-4)).toEqual([
      "Time is that of one reported run + that of the tuning, once for all seeds: the sum over all points that were tried for the method.",
      "Seed 0 of the tuning is also one of the reported runs, whose initial values the chosen points suit; --tune-seed takes another one.",
      "On t, the methods have different numbers of points (lora 1, bidora 3), by points of their own or since settings without effect on a method are not tried for it. A method with more points had more to choose from.",
      "On t, 2 of the 3 points of bidora have its best score, 0.5000, so the scores do not decide among them: learningRate=0.1, xi=learning-rate was taken, as equal scores go to the point with the most default values, and then to the first.",
    ]);
    const equal = comparisonTables({ ...tuned, tuning: [tuning[0]!, tuning[1]!] })[0]!.notes;
    expect(equal.join("\n")).not.toMatch(/different numbers|do not decide/);
    const apart = tuning.map((one) => ({ ...one, seed: 100 }));
    expect(comparisonTables({ ...tuned, tuning: apart })[0]!.notes.join("\n")).not.toContain("Seed");
  });
});

describe("conditions", () => {
  const made = (conditions: object, other: object): Comparison => ({
    ...comparison,
    runs: comparison.runs.map((run) => ({ ...run, conditions: run.method === "lora" ? conditions : other })),
  });

  test("in which methods differ are a column", () => {
    const found = made({ processes: 1, rowsPerStep: 8 }, { processes: 2, rowsPerStep: 8, magnitudeAxis: "in" });
    expect(column(found, "Processes")).toEqual([["1", "2"]]);
    expect(column(found, "Rows per step")).toEqual([]);
    expect(column(found, "Magnitude axis")).toEqual([]);
    const axes = made({ magnitudeAxis: "out" }, { magnitudeAxis: "in" });
    expect(column(axes, "Magnitude axis")).toEqual([["out", "in"]]);
    expect(column({ ...axes, methods: ["full", "lora", "bidora"] }, "Magnitude axis")).toEqual([["–", "out", "in"]]);
  });

  test("of several tasks are columns of each task where its methods differ", () => {
    const { runs } = made({ dtype: "float32" }, { dtype: "bfloat16" });
    const both = {
      ...comparison,
      tasks: [task("t", accuracy), task("u", accuracy)],
      runs: [...runs, run("u", "lora", 0, { accuracy: 1 })],
    };
    const groups = comparisonTables(both).flatMap(({ columns }) => columns.filter(({ title }) => title === "dtype"));
    expect(groups.map(({ group }) => group)).toEqual(["t"]);
  });
});

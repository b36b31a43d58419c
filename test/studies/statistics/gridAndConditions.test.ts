import { describe, expect, test } from "vitest";
import type { Comparison, TriedPoint } from "../../../src/base/records/comparison.js";
import { comparisonTables } from "../../../src/studies/tables/comparisonTables.js";
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
    expect(column(tuned, "Points tried")).toEqual([["1", "3"]]);
    expect(column(tuned, "Time")).toEqual([["12.3 s + 10.0 s tuning", "12.3 s + 20.0 s tuning"]]);
    expect(column(comparison, "Points tried")).toEqual([]);
    expect(column(comparison, "Time")).toEqual([["12.3 s", "12.3 s"]]);
    expect(column({ ...tuned, methods: ["lora", "bidora", "full"] }, "Points tried")[0]).toEqual(["1", "3", "–"]);
  });

  test("is noted where methods had unequal choices, and where its seed judges too", () => {
    expect(comparisonTables(tuned)[0]!.notes.slice(1, 4)).toEqual([
      "On t, the tuning tried unequal numbers of points, and more points give more to choose from: lora 1, bidora 3.",
      "Seed 0 of the tuning is also one of the reported runs, whose initial values the chosen points suit; --tune-seed takes another one.",
      "Time is that of one reported run + that of the tuning, once for all seeds: the sum over all points that were tried for the method.",
    ]);
    const equal = comparisonTables({ ...tuned, tuning: [tuning[0]!, tuning[1]!] })[0]!.notes;
    expect(equal.join("\n")).not.toContain("unequal");
    const apart = tuning.map((one) => ({ ...one, seed: 100 }));
    expect(comparisonTables({ ...tuned, tuning: apart })[0]!.notes.join("\n")).not.toContain("Seed");
  });
});

describe("conditions", () => {
  const made = (conditions: object, other: object): Comparison => ({
    ...comparison,
    runs: comparison.runs.map((run) => ({ ...run, conditions: run.method === "lora" ? conditions : other })),
  });

  const notes = (of: Comparison) => comparisonTables(of)[0]!.notes.slice(2);

  test("are notes: those that all runs share in one, the others with the methods of each value", () => {
    const found = made({ processes: 1, rowsPerStep: 8 }, { processes: 2, rowsPerStep: 8, magnitudeAxis: "in" });
    expect(notes(found)).toEqual([
      "Conditions: rows per step 8, magnitude axis in.",
      "Processes: 1 (lora), 2 (bidora).",
    ]);
    expect(notes(comparison)).toEqual([]);
  });

  test("of several tasks are notes with tasks where these decide, and with runs where neither does", () => {
    const both = (conditions: object, ofLora: object): Comparison => ({
      ...comparison,
      tasks: [task("t", accuracy), task("u", accuracy)],
      runs: [
        ...comparison.runs.map((run) => ({ ...run, conditions: { dtype: "float32" } })),
        { ...run("u", "lora", 0, { accuracy: 1 }), conditions: ofLora },
        { ...run("u", "bidora", 0, { accuracy: 1 }), conditions },
      ],
    });
    const bfloat16 = { dtype: "bfloat16" };
    const last = (of: Comparison) => comparisonTables(of)[0]!.notes.at(-1);
    expect(last(both(bfloat16, bfloat16))).toBe("dtype: float32 (t), bfloat16 (u).");
    expect(last(both(bfloat16, { dtype: "float32" }))).toBe(
      "dtype: float32 (lora on t, bidora on t, lora on u), bfloat16 (bidora on u).",
    );
  });

  test("are followed by the settings in which methods differ", () => {
    const competitors = [
      { name: "lora", method: "lora", settings: { batchSize: 8 }, byTask: ["learningRate"] },
      { name: "bidora", method: "bidora", settings: { batchSize: 8 } },
      { name: "in", method: "bidora", settings: { batchSize: 8, magnitudeAxis: "in", targetModules: ["query"] } },
    ];
    expect(notes({ ...comparison, competitors })).toEqual([
      "lora: learningRate by task.",
      'in: bidora with magnitudeAxis in, targetModules ["query"].',
    ]);
  });
});

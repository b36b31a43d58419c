import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { compare } from "../../../src/app/commands/compare.js";
import { readComparisonFile } from "../../../src/base/records/comparisonFile.js";
import { collectRuns, missingRuns } from "../../../src/studies/comparison/results/collectRuns.js";
import { writeComparison } from "../../../src/studies/comparison/results/results.js";
import { fresh } from "../../e2e/support.js";
import { writtenRun } from "./writtenRun.js";

const settings = { task: "regression", magnitudeAxis: "out" };
const metrics = { meanSquaredError: 0.5, pearson: 0, spearman: 0 };
type Written = Parameters<typeof writtenRun>[1];

/** A comparison's folder with these runs. */
function comparisonWith(runs: Readonly<Record<string, Written>>): string {
  const output = fresh("collected");
  for (const [place, run] of Object.entries(runs)) writtenRun(join(output, place), { settings, metrics, ...run });
  return output;
}

async function written(output: string) {
  const [runs, missing] = [await collectRuns(output), await missingRuns(output, {})];
  const asked = { tasks: ["t"], methods: ["lora", "dora"], reach: undefined, conditions: {} };
  const { text } = await writeComparison(output, runs, missing, asked);
  return { result: readComparisonFile(output), text, read: (name: string) => readFileSync(join(output, name), "utf8") };
}

const rows = (...values: readonly number[]) => values.map((value, i) => [i, value] as const);

test("a planned task whose folder is gone is collected as one without results", async () => {
  const output = comparisonWith({ "t/lora/seed-0": { rows: rows(1, 2) } });
  const plan = ["t", "gone"].map((task) => [
    `${task}/lora/seed-0`,
    { settings: { ...settings, model: "m", seed: 0 }, data: {} },
  ]);
  writeFileSync(join(output, "comparison-plan.json"), JSON.stringify(Object.fromEntries(plan)));
  const outcome = await compare({ collect: true, output });
  expect(outcome).toMatchObject({
    result: { unfinished: [{ task: "gone", method: "lora", seed: 0, state: "waiting" }] },
    text: expect.stringContaining("Not finished, and not included: lora seed 0 on gone (not started)."),
  });
});

describe("without a plan and without a file", () => {
  const named = { ...settings, method: "dora" };

  test("runs are collected from their folders, and those that were asked for and are not there are missing", async () => {
    const output = comparisonWith({
      "t/lora/seed-0": { settings: { ...settings, method: "lora" }, rows: rows(1, 2) },
      "t/near/seed-0": { settings: named, rows: rows(1, 2) },
    });
    const asked = { methods: ["near", "lora", "dora"], seeds: [0, 1], tasks: ["t", "u"] };
    const outcome = await compare({ collect: true, output, ...asked });
    if (outcome.kind !== "compared") throw new Error(outcome.kind);
    const { runs, unfinished, methods, competitors } = outcome.result;
    expect(runs.map(({ method }) => method)).toEqual(["lora", "near"]);
    expect(methods).toEqual(["near", "lora", "dora"]);
    expect(new Set(unfinished.map(({ state }) => state))).toEqual(new Set(["missing"]));
    expect(unfinished.map(({ task, method, seed }) => `${task} ${method} ${seed}`).sort()).toEqual([
      ...["t dora 0", "t dora 1", "t lora 1", "t near 1"],
      ...["u dora 0", "u dora 1", "u lora 0", "u lora 1", "u near 0", "u near 1"],
    ]);
    expect(competitors?.map(({ name, method }) => [name, method])).toEqual([
      ["near", "dora"],
      ["lora", "lora"],
    ]);
    await expect(compare({ collect: true, output, methods: ["neer"] })).rejects.toThrow('Did you mean "near"?');
  });

  test("runs of one method with different settings are refused", async () => {
    const output = comparisonWith({
      "t/near/seed-0": { settings: { ...named, learningRate: 1 } },
      "t/near/seed-1": { settings: { ...named, learningRate: 2, seed: 1 } },
    });
    await expect(compare({ collect: true, output })).rejects.toThrow("different settings (learningRate: 1 and 2)");
  });

  test("tasks and methods are in the order of a plan", async () => {
    const places = ["b/near", "b/lora", "a/near", "a/lora"];
    const output = comparisonWith(Object.fromEntries(places.map((place) => [`${place}/seed-0`, { rows: rows(1, 2) }])));
    const plan = places.map((place) => [
      `${place}/seed-0`,
      { settings: { ...settings, model: "m", seed: 0, dtype: "float32" }, data: {} },
    ]);
    writeFileSync(join(output, "comparison-plan.json"), JSON.stringify(Object.fromEntries(plan)));
    expect(await compare({ collect: true, output })).toMatchObject({
      result: { methods: ["near", "lora"], tasks: [{ name: "b" }, { name: "a" }] },
    });
  });
});

describe("what a method is", () => {
  const given = (more: object) => ({ ...settings, method: "dora", batchSize: 8, epochs: 3, ...more });
  const sources = { batchSize: "flag", learningRate: "flag", magnitudeAxis: "file", task: "flag", epochs: "default" };

  test("stands in comparison.json with the settings that its runs were given, and in the notes where methods differ", async () => {
    const output = comparisonWith({
      "t/dora/seed-0": {
        settings: given({ learningRate: 1 }),
        start: { sources, idle: ["magnitudeAxis"] },
        rows: rows(1, 2),
      },
      "u/dora/seed-0": {
        settings: given({ learningRate: 2 }),
        start: { sources, idle: ["magnitudeAxis"] },
        rows: rows(1, 2),
      },
      "t/in/seed-0": {
        settings: given({ learningRate: 1, magnitudeAxis: "in" }),
        start: { sources },
        rows: rows(1, 2),
      },
    });
    const { result, read } = await written(output);
    expect(readComparisonFile(output).competitors).toEqual([
      { name: "dora", method: "dora", settings: { batchSize: 8 }, byTask: ["learningRate"] },
      { name: "in", method: "dora", settings: { batchSize: 8, learningRate: 1, magnitudeAxis: "in" } },
    ]);
    expect(result.notes).toContain("in: dora with magnitudeAxis in, learningRate 1.");
    expect(read("comparison.md")).toContain("- dora: learningRate by task.");
    expect(read("comparison.tex")).toContain("\\item in: dora with magnitudeAxis in, learningRate 1.");
  });

  test.each([
    ["no setting of the tasks", { t: 1, u: 2 }, undefined],
    ["a setting with other values on each task", { t: 2, u: 1 }, ["learningRate"]],
  ])("has %s", async (_, rates, byTask) => {
    const made = (learningRate: number, dataSeed: number) => ({
      settings: given({ learningRate, dataSeed }),
      start: { sources: { ...sources, dataSeed: "flag" } },
      rows: rows(1, 2),
    });
    const { result } = await written(
      comparisonWith({
        "t/dora/seed-0-data-0": made(1, 0),
        "u/dora/seed-0-data-1": made(2, 1),
        "t/in/seed-0-data-0": made(rates.t, 0),
        "u/in/seed-0-data-1": made(rates.u, 1),
      }),
    );
    expect(result.competitors?.map((one) => one.byTask)).toEqual([byTask, byTask]);
    const noted = ["dora: learningRate by task.", "in: dora with learningRate by task."];
    expect(result.notes!.filter((note) => note.includes("by task"))).toEqual(byTask ? noted : []);
  });
});

describe("why a run's scores say nothing about its method", () => {
  it("is read from metrics.json, which is no metric, or found in the predictions of an earlier version", async () => {
    const output = comparisonWith({
      "t/dora/seed-0": { metrics: { ...metrics, constant: ["test"], untrained: true }, rows: rows(1, 1) },
      "t/lora/seed-0": { rows: rows(1, 1) },
      "t/lora/seed-1": { rows: rows(1, 2) },
      "t/lora/seed-2": {},
    });
    const found = await collectRuns(output);
    expect(found.map(({ constant, untrained, metrics }) => [constant, untrained, Object.keys(metrics).length])).toEqual(
      [
        [["test"], true, 3],
        [["validation"], undefined, 3],
        [undefined, undefined, 3],
        [undefined, undefined, 3],
      ],
    );
  });

  it("is in every table and in comparison.json", async () => {
    const output = comparisonWith({
      "t/lora/seed-0": { rows: rows(1, 2) },
      "t/dora/seed-0": { rows: rows(0.5, 0.5), metrics: { ...metrics, meanSquaredError: 0.25 } },
    });
    const { result, text, read } = await written(output);
    expect(result.runs.map(({ method, constant }) => [method, constant])).toEqual([
      ["dora", ["validation"]],
      ["lora", undefined],
    ]);
    const note = "Not marked as best: constant (the same prediction for all rows).";
    for (const page of [text, ...["comparison.md", "comparison.tex", "report.html"].map(read)]) {
      expect(page).toContain("0.2500 (constant)");
      expect(page).not.toMatch(/0\.2500[^\n|&<]*\*|(\*\*|textbf\{|<strong>)0\.2500/);
      expect(page).toContain(note);
    }
    expect(result.notes?.join("\n")).toContain(note);
  });
});

describe("comparison.json", () => {
  it("has each run's conditions", async () => {
    const { result } = await written(comparisonWith({ "t/dora/seed-0": { rows: rows(1, 2) } }));
    expect(result.runs[0]?.conditions).toMatchObject({ processes: 1, rowsPerStep: 8, magnitudeAxis: "out" });
  });

  it("is not written for runs of one method under different conditions", async () => {
    const output = comparisonWith({
      "t/dora/seed-0": { rows: rows(1, 2) },
      "t/dora/seed-1": { rows: rows(1, 2), start: { processes: 2 } },
    });
    await expect(written(output)).rejects.toThrow("(Processes: 1 and 2)");
  });

  it("lists a method none of whose runs has ended", async () => {
    const { result, text } = await written(
      comparisonWith({ "t/dora/seed-0": { rows: rows(1, 2) }, "t/lora/seed-1": { metrics: undefined } }),
    );
    expect(result.methods).toEqual(["lora", "dora"]);
    expect(text).toMatch(/^lora +missing 2 of 2/m);
    expect(text).toMatch(/^dora +0\.5000 \(n = 1 of 2, 1 missing\)/m);
  });
});

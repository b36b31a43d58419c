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
    const note = "On t, dora (seed 0) predicted the same for all validation rows";
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

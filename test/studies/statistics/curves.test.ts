import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import type { CurveRun } from "../../../src/base/records/comparison.js";
import { curveRunsIn } from "../../../src/base/records/comparisonFolder.js";
import { curvesOf } from "../../../src/studies/comparison/results/curveRuns.js";
import { bestPoints } from "../../../src/studies/statistics/bestPoints.js";
import { curveTables } from "../../../src/studies/tables/curveTables.js";
import { fresh } from "../../e2e/support.js";
import { accuracy, task } from "./sampleComparison.js";

interface Golden {
  readonly name: string;
  readonly goal: "maximize" | "minimize";
  readonly scores: readonly (readonly (number | null)[])[];
  readonly best: number;
  readonly shares: readonly number[];
  readonly optimism: number;
}

const golden = JSON.parse(
  readFileSync(new URL("../../golden/compare/best_points.json", import.meta.url), "utf8"),
) as readonly Golden[];

/** Three standard errors of a share over 10 000 resamples. */
const CLOSE = 0.015;

describe("the best value of a setting", () => {
  test.each(golden)("is as over all possible resamples of the seeds: $name", ({ scores, goal, ...wanted }) => {
    const found = bestPoints(
      scores.map((values) => values.map((value) => value ?? Number.NaN)),
      goal,
    )!;
    expect(found.best).toBe(wanted.best);
    for (const [i, share] of found.shares!.entries()) expect(Math.abs(share - wanted.shares[i]!)).toBeLessThan(CLOSE);
    expect(Math.abs(found.optimism! - wanted.optimism)).toBeLessThan(2e-4);
  });

  it("has no uncertainty with one seed, and does not exist where all values diverged", () => {
    expect(bestPoints([[0.5], [0.75]], "maximize")).toEqual({ best: 1, shares: null, optimism: null });
    expect(bestPoints([[Number.NaN], [Number.NaN]], "maximize")).toBeUndefined();
    expect(() => bestPoints([[1, 2], [1]], "maximize")).toThrow("the same seeds");
  });
});

describe("a curve", () => {
  const tasks = [task("t", accuracy)];
  const run = (method: string, seed: number, learningRate: number, value: number | string): CurveRun => ({
    ...{ task: "t", method, seed, point: { learningRate }, seconds: 3 },
    ...(typeof value === "number"
      ? { metrics: { accuracy: value } }
      : { metrics: null, reason: value, ...(value === "NaN" && { diverged: true as const }) }),
  });
  const runs = [
    ...[run("dora", 1, 0.01, "NaN"), run("dora", 0, 0.01, 0.875), run("dora", 0, 0.001, 0.5)],
    ...[run("dora", 1, 0.001, 0.75), run("lora", 0, 0.001, 0.5), run("lora", 0, 0.01, 0.25)],
    ...[run("lora", 1, 0.001, 0.5), run("lora", 1, 0.01, "stopped")],
  ];
  const curves = curvesOf(runs, tasks, ["lora", "dora"]);

  it("has the seeds that ended at all values, and no best value where a run diverged", () => {
    const metric = accuracy;
    expect(curves).toEqual([
      {
        ...{ task: "t", method: "lora", setting: "learningRate", metric, seeds: [0], best: 0.001, optimism: null },
        points: [
          { value: 0.001, mean: 0.5, deviation: null, diverged: 0, best: null },
          { value: 0.01, mean: 0.25, deviation: null, diverged: 0, best: null },
        ],
      },
      {
        ...{ task: "t", method: "dora", setting: "learningRate", metric, seeds: [0, 1], best: 0.001, optimism: 0 },
        points: [
          { value: 0.001, mean: 0.625, deviation: Math.SQRT1_2 / 4, diverged: 0, best: 1 },
          { value: 0.01, mean: null, deviation: null, diverged: 1, best: 0 },
        ],
      },
    ]);
    expect(curvesOf(runs.slice(6), tasks, ["lora"])).toEqual([]);
  });

  it("has a run for each data seed of a seed", () => {
    const ofData = (dataSeed: number, seed: number, learningRate: number, value: number) => ({
      ...run("lora", seed, learningRate, value),
      dataSeed,
    });
    const all = [0, 1].flatMap((dataSeed) => [
      ...[ofData(dataSeed, 0, 0.001, 0.5 + dataSeed / 4), ofData(dataSeed, 0, 0.01, 0.25)],
      ...(dataSeed === 0 ? [ofData(dataSeed, 1, 0.001, 1)] : []),
    ]);
    const [curve] = curvesOf(all, tasks, ["lora"]);
    expect(curve).toMatchObject({ seeds: [0, 0], points: [{ mean: 0.625 }, { mean: 0.25 }] });
  });

  it("is found in the folders of its runs, with their data seeds", () => {
    const output = fresh("curve");
    const at = (name: string) => join(output, "t", "lora", "curve", "learningRate=0.1", name);
    for (const name of ["seed-0", "seed-1-data-2", "other"]) mkdirSync(at(name), { recursive: true });
    const place = { task: "t", method: "lora", name: "learningRate=0.1" };
    expect(curveRunsIn(output)).toEqual([
      { ...place, seed: 0, folder: at("seed-0") },
      { ...place, seed: 1, dataSeed: 2, folder: at("seed-1-data-2") },
    ]);
  });

  it("is a table of methods by values, with notes on what it may be used for and on missing runs", () => {
    const [table, ...others] = curveTables({ tasks, methods: ["lora", "dora"], runs: [], curve: runs, curves });
    expect(others).toEqual([]);
    const texts = table!.columns.map(({ title, cells }) => [title, ...cells.map(({ text }) => text)]);
    expect(texts).toEqual([
      ["0.001", "0.5000", "0.6250 ± 0.1768"],
      ["0.01", "0.2500", "diverged 1"],
      ["Best", "0.001", "0.001"],
      ["Best in", "–", "0.001 100 %"],
      ["Optimism", "–", "0"],
      ["Seeds", "1", "2"],
    ]);
    expect(table!.columns.map(({ cells }) => cells.map(({ best }) => best)).slice(0, 2)).toEqual([
      [true, true],
      [false, false],
    ]);
    expect(table!.notes.join("\n")).toMatch(/It judges nothing.*choose values by --tune/);
    expect(table!.notes.at(-1)).toContain("Runs of the curve without results: 1");
    expect(curveTables({ tasks, methods: ["lora"], runs: [] })).toEqual([]);
  });
});

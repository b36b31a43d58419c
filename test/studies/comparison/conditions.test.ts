import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Cell } from "../../../src/studies/comparison/plan/cells.js";
import { refuseMixed, runToStart } from "../../../src/studies/comparison/plan/plan.js";
import { collectRuns } from "../../../src/studies/comparison/results/collectRuns.js";
import { fresh } from "../../e2e/support.js";
import { writtenRun } from "./writtenRun.js";

const metrics = { accuracy: 0.5 };

/** The runs of a comparison, by their place in its folder. */
async function collected(runs: Readonly<Record<string, Parameters<typeof writtenRun>[1]>>) {
  const output = fresh("conditions");
  for (const [place, run] of Object.entries(runs)) writtenRun(join(output, place), { metrics, ...run });
  return collectRuns(output);
}

describe("the conditions of a run", () => {
  it("are those that its log begins with, the last time that it was started", async () => {
    const resumed = { settings: { magnitudeAxis: "in", baseDtype: "nf4" }, before: { processes: 2, rowsPerStep: 16 } };
    const [run] = await collected({ "t/dora/seed-0": resumed });
    expect(run?.conditions).toEqual({
      ...{ processes: 1, rowsPerStep: 8, dtype: "float32", baseDtype: "nf4", magnitudeAxis: "in" },
      ...{ bidora: "1.0.0", libtorch: "2.6.0" },
    });
  });

  it("have the base in the run's dtype unless it has one of its own, and no settings without effect", async () => {
    const [run] = await collected({
      "t/lora/seed-0": { settings: { magnitudeAxis: "out" }, start: { idle: ["magnitudeAxis"] } },
    });
    expect(run?.conditions).toEqual({
      ...{ processes: 1, rowsPerStep: 8, dtype: "float32", baseDtype: "float32", bidora: "1.0.0", libtorch: "2.6.0" },
    });
  });
});

describe("runs of one method on one task", () => {
  it.each([
    ["Processes: 1 and 2", { start: { processes: 2 } }],
    ["Rows per step: 8 and 16", { start: { rowsPerStep: 16 } }],
    ["dtype: float32 and bfloat16", { settings: { dtype: "bfloat16", baseDtype: "float32" } }],
    ["Base dtype: float32 and nf4", { settings: { baseDtype: "nf4" } }],
    ["Magnitude axis: out and in", { settings: { magnitudeAxis: "in" } }],
    ["Version of bidora: 1.0.0 and 1.1.0", { start: { versions: { bidora: "1.1.0", libtorch: "2.6.0" } } }],
    ["Version of libtorch: 2.6.0 and 2.13.0", { start: { versions: { bidora: "1.0.0", libtorch: "2.13.0" } } }],
  ])("are not mixed if they differ in %s", async (what, other) => {
    const axis = { magnitudeAxis: "out" };
    const mixed = {
      "t/dora/seed-0": { settings: axis },
      "t/dora/seed-1": { ...other, settings: { ...axis, ...(other as { settings?: object }).settings } },
    };
    const runs = await collected(mixed);
    expect(() => refuseMixed(runs)).toThrow(
      `${runs[0]?.folder} and ${runs[1]?.folder} are runs of dora under different conditions (${what}): remove`,
    );
    const [one, two] = ["t/dora/seed-0", "t/dora/seed-1"] as const;
    refuseMixed(await collected({ [one]: mixed[one], "t/lora/seed-1": mixed[two], "u/dora/seed-1": mixed[two] }));
  });

  it("may differ in the processor and the build of one version, which their conditions keep", async () => {
    const madeOn = (processor: string, bidora: string) => ({
      ...{ versions: { bidora, libtorch: "2.6.0" }, machine: { processor } },
    });
    const [one, other] = [madeOn("EPYC", "1.0.0+1f0c52ab"), madeOn("Xeon", "1.0.0+77aa0e31")];
    const runs = await collected({
      "t/dora/seed-0": { start: one },
      "t/dora/seed-1": { start: other },
      "t/dora/seed-2": { before: one, start: other },
      "t/dora/seed-3": { before: one, stepsBefore: 1, start: other, steps: 1 },
    });
    refuseMixed(runs);
    expect(runs.map(({ conditions }) => [conditions?.processor, conditions?.bidora])).toEqual([
      ["EPYC", "1.0.0+1f0c52ab"],
      ["Xeon", "1.0.0+77aa0e31"],
      ["Xeon", "1.0.0+77aa0e31"],
      ["EPYC then Xeon", "1.0.0+1f0c52ab then 1.0.0+77aa0e31"],
    ]);
    const updated = { before: one, stepsBefore: 1, start: madeOn("EPYC", "1.1.0"), steps: 1 };
    const mixed = await collected({ "t/dora/seed-0": { start: one }, "t/dora/seed-1": updated });
    expect(() => refuseMixed(mixed)).toThrow("(Version of bidora: 1.0.0 and 1.0.0 then 1.1.0)");
  });

  it("are not mixed if they differ in a setting, other than their seeds and where and how often they save", async () => {
    const settings = { method: "dora", learningRate: 0.1, seed: 0 };
    const other = { ...settings, seed: 1, dataSeed: 3, output: "elsewhere", saveEvery: 5, threads: 2 };
    const runs = (more: object, start = {}) =>
      collected({ "t/dora/seed-0": { settings }, "t/dora/seed-1": { settings: { ...other, ...more }, start } });
    refuseMixed(await runs({}));
    refuseMixed(await runs({ learningRate: undefined }));
    refuseMixed(await runs({ learningRate: 0.2 }, { idle: ["learningRate"] }));
    const [a, b] = await runs({ learningRate: 0.2 });
    expect(() => refuseMixed([a!, b!])).toThrow(
      `${a?.folder} and ${b?.folder} are runs of dora with different settings (learningRate: 0.1 and 0.2): remove`,
    );
    refuseMixed([a!, { ...b!, task: "u" }]);
    expect(() => refuseMixed([a!, { ...b!, seed: 0 }])).toThrow("different settings");
  });

  it("may have been made by an earlier version that did not record a condition", async () => {
    const before = { start: { processes: undefined, rowsPerStep: undefined } };
    refuseMixed(await collected({ "t/dora/seed-0": before, "t/dora/seed-1": {}, "t/dora/seed-2": before }));
  });

  it("are not added to runs of another number of processes, dtype or version", async () => {
    const cell = {
      ...{ task: "t", seed: 1, point: undefined, folder: "next", variant: { name: "dora" } },
      settings: { model: "m", method: "dora", batchSize: 4, gradientAccumulation: 2, dtype: "float32" },
    } as Cell;
    const next = runToStart(cell, "local");
    const { bidora, libtorch } = next.conditions ?? {};
    const versions = { bidora, libtorch };
    expect(runToStart(cell, "slurm").conditions).toEqual({ processes: 1, rowsPerStep: 8, bidora, libtorch });
    refuseMixed([...(await collected({ "t/dora/seed-0": { start: { versions } } })), next]);
    for (const [run, what] of [
      [{ start: { versions, processes: 2 } }, "Processes: 2 and 1"],
      [{ start: { versions, rowsPerStep: 4 } }, "Rows per step: 4 and 8"],
      [{ start: { versions }, settings: { dtype: "bfloat16" } }, "dtype: bfloat16 and float32"],
      [{ start: { versions: { ...versions, bidora: "0.0.1" } } }, `Version of bidora: 0.0.1 and ${bidora}`],
    ] as const) {
      const runs = await collected({ "t/dora/seed-0": run });
      expect(() => refuseMixed([...runs, next])).toThrow(what);
    }
  });
});

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { gridCells, type Pair, pairsOf } from "../../../src/studies/comparison/plan/cells.js";
import { bestSettings, triedPoints } from "../../../src/studies/comparison/results/gridSearch.js";
import { readSpec } from "../../../src/studies/comparison/spec/spec.js";
import { fresh, write } from "../../e2e/support.js";
import { writtenRun } from "./writtenRun.js";

const facts = {
  rowsOf: async () => 100,
  upperRowsOf: async () => undefined,
  stepsOf: async () => 40,
  secondsOfStep: async () => ({ train: 1, search: 3, retrain: 1 }),
};
const file = write("grid.yaml", "model: m\ntask: sequence-classification\ntrain: t\n");
const GRID = ["learningRate=0.5,0.001,0.25", "xi=0,learning-rate"];

/** The cells of the grid of each method. */
async function cellsOf(output: string, grid: readonly string[] = GRID) {
  const spec = readSpec({ methods: ["lora", "bidora"], seeds: [4], grid: [...grid], output }, file);
  const pairs = pairsOf(spec);
  const cells = await Promise.all(pairs.map((pair) => gridCells(spec, pair, facts)));
  return { pairs: pairs as [Pair, Pair], cells };
}

/** Makes up the grid's runs, with the held-out accuracy of each point; none for a run that did not end. */
async function tried(
  scores: (point: Readonly<Record<string, unknown>>) => number | undefined,
  grid?: readonly string[],
) {
  const output = fresh("tuning");
  const { pairs, cells } = await cellsOf(output, grid);
  for (const { folder, settings, point = {} } of cells.flat()) {
    const accuracy = scores(point);
    const metrics =
      accuracy === undefined
        ? undefined
        : { holdout_accuracy: accuracy, holdout_loss: 1 - Number(settings.learningRate) };
    const idle = settings.method === "bidora" ? [] : ["xi"];
    writtenRun(folder, { settings: { xi: "learning-rate", ...settings }, start: { idle }, metrics, seconds: 5 });
  }
  const chosen = pairs.map((pair) => bestSettings(pair, cells.flat()));
  return { output, chosen, cells };
}

describe("the choice among points of equal score", () => {
  it("goes to the settings' defaults, whatever the loss", async () => {
    const { chosen } = await tried(() => 0.5);
    expect(chosen).toEqual([
      { learningRate: 0.001, xi: 0 },
      { learningRate: 0.001, xi: "learning-rate" },
    ]);
  });

  it("goes to the first point if none has a default value", async () => {
    const { chosen } = await tried(() => 0.5, ["learningRate=0.5,0.25"]);
    expect(chosen).toEqual([{ learningRate: 0.5 }, { learningRate: 0.5 }]);
  });

  it("is among those with the best score alone", async () => {
    const { chosen } = await tried(({ learningRate }) => (learningRate === 0.001 ? 0.25 : 0.5));
    expect(chosen[1]).toEqual({ learningRate: 0.5, xi: "learning-rate" });
  });

  it("takes the value that a setting has beside the others of the point as its default", async () => {
    const { chosen } = await tried(
      ({ learningRate }) => (learningRate === 0.5 ? 0.75 : 0.5),
      ["learningRate=0.5,0.25", "upperLearningRate=0.25,0.5"],
    );
    expect(chosen[1]).toEqual({ learningRate: 0.5, upperLearningRate: 0.5 });
  });
});

describe("the points of a grid", () => {
  it("are listed with score, time and choice, without the settings that have no effect on the method", async () => {
    const { output } = await tried(({ xi, learningRate }) =>
      learningRate === 0.25 ? undefined : xi === 0 ? 0.5 : 0.75,
    );
    const seed = join(output, "sequence-classification/bidora/seed-4");
    writtenRun(seed, { settings: { learningRate: 0.5, xi: "learning-rate", seed: 4 }, metrics: { accuracy: 0.5 } });
    const all = await triedPoints(output);
    const one = { task: "sequence-classification", seed: 4 };
    expect(all.filter(({ method }) => method === "lora").sort(byRate)).toEqual([
      { ...one, method: "lora", point: { learningRate: 0.001 }, score: 0.5, seconds: 5, chosen: false },
      {
        ...one,
        method: "lora",
        point: { learningRate: 0.25 },
        score: null,
        reason: "stopped",
        seconds: 0,
        chosen: false,
      },
      { ...one, method: "lora", point: { learningRate: 0.5 }, score: 0.5, seconds: 5, chosen: false },
    ]);
    const bidora = all.filter(({ method }) => method === "bidora");
    expect(bidora).toHaveLength(6);
    expect(bidora.filter(({ chosen }) => chosen)).toEqual([
      {
        ...{ ...one, method: "bidora", point: { learningRate: 0.5, xi: "learning-rate" } },
        ...{ score: 0.75, seconds: 5, chosen: true, tied: 2 },
      },
    ]);
  });

  it("are none without a grid", async () => {
    const output = fresh("no-grid");
    writtenRun(join(output, "t/lora/seed-0"), { metrics: { accuracy: 0.5 } });
    mkdirSync(join(output, "t/lora/grid/notes"), { recursive: true });
    expect(await triedPoints(output)).toEqual([]);
  });
});

const byRate = (a: { readonly point: object }, b: { readonly point: object }) =>
  (a.point as { learningRate: number }).learningRate - (b.point as { learningRate: number }).learningRate;

import { describe, expect, it } from "vitest";
import { curveCells, finalCells, gridCells, pairsOf } from "../../../src/studies/comparison/plan/cells.js";
import { readSpec, requestedResults } from "../../../src/studies/comparison/spec/spec.js";
import { write } from "../../e2e/support.js";

const facts = {
  rowsOf: async () => 400,
  upperRowsOf: async () => undefined,
  stepsOf: async () => 40,
  secondsOfStep: async () => ({ train: 1, search: 3, retrain: 1 }),
};
const file = (...lines: readonly string[]) =>
  write("tune.yaml", ["model: m", "task: regression", "train: t", ...lines].join("\n"));

type Flags = Parameters<typeof readSpec>[0];

async function cellsOf(
  make: typeof gridCells | typeof curveCells,
  flags: Flags,
  ...lines: readonly string[]
): Promise<(readonly [method: string, seed: number, rate: unknown])[]> {
  const spec = readSpec(flags, file(...lines));
  const cells = (await Promise.all(pairsOf(spec).map((pair) => make(spec, pair, facts)))).flat();
  return cells.map(({ variant, seed, settings }) => [variant.name, seed, settings.learningRate]);
}

const TUNE = ["learningRate=0.1,0.2"];

describe("--tune", () => {
  it("tries the same points for each method, with the first seed or the one of --tune-seed", async () => {
    const flags = { methods: ["lora", "full"], seeds: [3, 4], tune: TUNE };
    const points = (seed: number) => ["lora", "full"].flatMap((name) => [0.1, 0.2].map((rate) => [name, seed, rate]));
    expect(await cellsOf(gridCells, flags)).toEqual(points(3));
    expect(await cellsOf(gridCells, { ...flags, tuneSeed: 100 })).toEqual(points(100));
    expect(await cellsOf(gridCells, flags, "tuneSeed: 0")).toEqual(points(0));
  });

  it("is --grid by another name, and the flag has precedence over the file by either name", async () => {
    const flags = { methods: ["lora"] };
    const of = (flags: Flags, ...lines: string[]) => cellsOf(gridCells, flags, ...lines);
    expect(await of({ ...flags, grid: TUNE })).toEqual(await of({ ...flags, tune: TUNE }));
    expect(await of(flags, "grid: {learningRate: [0.1, 0.2]}")).toEqual(await of({ ...flags, tune: TUNE }));
    expect(await of({ ...flags, tune: TUNE }, "grid: {learningRate: [0.5]}")).toEqual(
      await of({ ...flags, tune: TUNE }),
    );
    expect(() => readSpec({ ...flags, grid: TUNE, tune: TUNE }, file())).toThrow("--grid is another name of --tune");
    expect(() => readSpec({ ...flags, grid: ["rank=4,4"] }, file())).toThrow("--grid has rank=4 twice");
    expect(() => readSpec({ ...flags, tuneSeed: 1 }, file())).toThrow("--tune-seed has no effect without --tune");
  });

  it("tries a method's own points instead, unless a flag names points", async () => {
    const own = "perMethod: {lora: {tune: {learningRate: [0.5]}}, lora+es: {tune: [learningRate=0.25]}}";
    const flags = { methods: ["full", "lora", "lora+es"] };
    const all = await cellsOf(gridCells, flags, "tune: {learningRate: [0.1, 0.2]}", own);
    expect(all.map(([name, , rate]) => [name, rate])).toEqual([
      ...[["full", 0.1] as const, ["full", 0.2] as const],
      ...[["lora", 0.5] as const, ["lora+es", 0.25] as const],
    ]);
    const byFlag = await cellsOf(gridCells, { ...flags, tune: ["learningRate=0.1"] }, own);
    expect(byFlag.map(([, , rate]) => rate)).toEqual([0.1, 0.1, 0.1]);
    expect(await cellsOf(gridCells, flags, own)).toHaveLength(2);
    expect(() => readSpec(flags, file("perMethod: {lora: {tune: 3}}"))).toThrow("tune of lora takes");
    expect(() => readSpec(flags, file("perMethod: {lora: {tune: {seed: [3]}}}"))).toThrow(
      "tune of lora takes settings",
    );
  });

  it("is in the conditions of the comparison with its seed", () => {
    const spec = readSpec({ tune: TUNE, tuneSeed: 9, curve: ["rank=2,4"] }, file());
    expect(requestedResults(spec).conditions).toMatchObject({
      tune: { points: [{ learningRate: 0.1 }, { learningRate: 0.2 }], seed: 9 },
      curve: [{ rank: 2 }, { rank: 4 }],
    });
  });
});

describe("--holdout-groups", () => {
  const groupsOf = async (make: typeof gridCells | typeof finalCells, flags: Flags, ...lines: string[]) => {
    const spec = readSpec({ methods: ["lora", "lora+es", "bidora"], ...flags }, file(...lines));
    const cells = (await Promise.all(pairsOf(spec).map((pair) => make(spec, pair, facts)))).flat();
    return cells.map(({ settings }) => settings.holdoutGroups);
  };

  it("is a setting of the runs that hold rows out: of --tune, +es and BiDoRA's levels", async () => {
    const on = { holdoutGroups: true };
    expect(await groupsOf(finalCells, on)).toEqual([undefined, true, true]);
    expect(await groupsOf(gridCells, { ...on, tune: ["rank=2"] })).toEqual([true, true, true]);
    expect(await groupsOf(gridCells, { tune: ["rank=2"] }, "holdoutGroups: 6")).toEqual([6, 6, 6]);
    expect(await groupsOf(gridCells, { tune: ["rank=2"] })).toEqual([undefined, undefined, undefined]);
    expect(await groupsOf(gridCells, { ...on, methods: ["lora"], tune: ["rank=2"] })).toEqual([true]);
  });

  it("is refused without such a run, and for rows in file order", () => {
    const refused = (flags: Flags) => expect(() => pairsOf(readSpec({ holdoutGroups: true, ...flags }, file())));
    refused({ methods: ["lora"] }).toThrow("No effect in any run of this comparison: --holdout-groups");
    refused({ methods: ["bidora", "lora+es"], tune: ["rank=2"], shuffle: false }).toThrow("--holdout-groups");
    refused({ methods: ["lora+es"] }).not.toThrow();
  });
});

describe("--curve", () => {
  const flags = { methods: ["lora", "full"], seeds: [0, 1], curve: TUNE, output: "out" };

  it("runs every seed at every value on all training rows, in folders of their own beside the reported runs", async () => {
    const spec = readSpec(flags, file("learningRate: 0.7"));
    const [lora] = pairsOf(spec);
    const cells = await curveCells(spec, lora!, facts);
    expect(cells.map(({ folder }) => folder)).toEqual(
      [0.1, 0.2].flatMap((rate) => [0, 1].map((seed) => `out/regression/lora/curve/learningRate=${rate}/seed-${seed}`)),
    );
    const [reported] = await finalCells(spec, lora!, facts);
    expect(cells[0]!.settings).toEqual({ ...reported!.settings, learningRate: 0.1 });
    expect(cells[0]).toMatchObject({ point: undefined, onCurve: { learningRate: 0.1 } });
    expect(reported!.settings.learningRate).toBe(0.7);
  });

  it("has the settings that --tune chose", async () => {
    const spec = readSpec({ ...flags, tune: ["rank=2,4"] }, file());
    const cells = await curveCells(spec, pairsOf(spec)[0]!, facts, { rank: 4 });
    expect(cells[0]!.settings).toMatchObject({ rank: 4, learningRate: 0.1 });
  });

  it("leaves out methods on which the setting has no effect", async () => {
    const all = await cellsOf(curveCells, { methods: ["full", "lora"], curve: ["rank=2,4"] });
    expect(all.map(([name]) => name)).toEqual(["lora", "lora"]);
    expect(() => pairsOf(readSpec({ methods: ["full"], curve: ["rank=2,4"] }, file()))).toThrow(
      "No effect in any run of --curve: --rank",
    );
  });

  it("refuses what is no x axis, or is tuned or set by the budget", () => {
    const refused = (more: Flags) => expect(() => pairsOf(readSpec({ ...flags, ...more }, file())));
    refused({ curve: ["learningRate=0.1", "rank=2"] }).toThrow("--curve takes one setting");
    refused({ curve: ["schedule=linear,cosine"] }).toThrow("--curve takes a setting with numbers; got schedule=linear");
    refused({ tune: ["rank=2,4", "learningRate=0.5"] }).toThrow("--curve and --tune both have --learning-rate");
    refused({ curve: ["maxSteps=1,2"], budget: "steps=9" }).toThrow("the length of the runs: --max-steps");
    refused({ tune: ["rank=2,4"] }).not.toThrow();
  });
});

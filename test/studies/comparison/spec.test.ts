import { describe, expect, it } from "vitest";
import { finalCells, gridCells, pairsOf } from "../../../src/studies/comparison/plan/cells.js";
import { readSpec, requestedResults } from "../../../src/studies/comparison/spec/spec.js";
import type { RunConfig } from "../../../src/tasks/config/index.js";
import { write } from "../../e2e/support.js";

const facts = {
  rowsOf: async () => 400,
  upperRowsOf: async () => undefined,
  stepsOf: async () => 40,
  secondsOfStep: async () => ({ train: 1, search: 3, retrain: 1 }),
};
const file = (...lines: readonly string[]) => write("compare.yaml", ["model: m", ...lines].join("\n"));

const LIST = [
  "batchSize: 4",
  "rank: 16",
  "tasks:",
  "  - {name: small, task: regression, train: a.jsonl, learningRate: 0.1}",
  "  - {task: glue/mrpc, data: d, batchSize: 2}",
  "perMethod:",
  "  lora: {learningRate: 0.5}",
  "  lora+es: {evalEvery: 7}",
];

async function cellsOf(flags: Parameters<typeof readSpec>[0], path: string | undefined) {
  const spec = readSpec(flags, path);
  const each = await Promise.all(pairsOf(spec).map((pair) => finalCells(spec, pair, facts)));
  return each.flat();
}

describe("the plan of a comparison", () => {
  it("has every method on every task with every seed, in folders of those names", async () => {
    const cells = await cellsOf({ methods: ["lora", "full"], seeds: [3, 1], output: "out" }, file(...LIST));
    expect(cells.map(({ folder }) => folder)).toEqual([
      "out/small/lora/seed-3",
      "out/small/lora/seed-1",
      "out/small/full/seed-3",
      "out/small/full/seed-1",
      "out/glue-mrpc/lora/seed-3",
      "out/glue-mrpc/lora/seed-1",
      "out/glue-mrpc/full/seed-3",
      "out/glue-mrpc/full/seed-1",
    ]);
    expect(cells.map(({ settings }) => settings.seed)).toEqual([3, 1, 3, 1, 3, 1, 3, 1]);
  });

  it("gives flags precedence over a method's settings, these over a task's, and these over common ones", async () => {
    const path = file(...LIST);
    const [small, mrpc] = await cellsOf({ methods: ["lora"] }, path);
    expect(small?.settings).toMatchObject({ task: "regression", batchSize: 4, rank: 16, learningRate: 0.5 });
    expect(mrpc?.settings).toMatchObject({ task: "glue/mrpc", batchSize: 2, learningRate: 0.5, data: "d" });
    const flagged = await cellsOf({ methods: ["lora"], batchSize: 8, learningRate: 0.01 }, path);
    for (const { settings } of flagged) expect(settings).toMatchObject({ batchSize: 8, learningRate: 0.01 });
    const [taken, ...more] = await cellsOf({ methods: ["lora"], tasks: ["glue/mrpc"] }, path);
    expect([taken?.task, more.length]).toEqual(["glue-mrpc", 0]);
  });

  it("refuses settings that are not what a method's name says", async () => {
    const of = (flags: object, ...methods: string[]) =>
      cellsOf({ methods, task: "regression", train: "a.jsonl", model: "m", maxSteps: 10, ...flags }, undefined);
    await expect(of({ initLoraWeights: "pissa" }, "lora", "lora+eva")).rejects.toThrow(
      "lora+eva means --init-lora-weights eva, and its settings have pissa: leave that out, or name another method.",
    );
    await expect(of({ searchFolds: 3 }, "bidora-folds")).rejects.toThrow(
      "bidora-folds means --search-folds 5, and its",
    );
    const [plain, folds] = await of({ searchFolds: 5, initLoraWeights: "pissa" }, "lora", "bidora-folds");
    expect([plain?.settings.initLoraWeights, folds?.settings.searchFolds]).toEqual(["pissa", 5]);
    await expect(of({ earlyStopping: 7 }, "lora+es")).resolves.toMatchObject([{ settings: { earlyStopping: 7 } }]);
  });

  it("tests the pairs of methods that are named, each once", () => {
    const pairsGiven = (...pairs: string[]) =>
      readSpec({ methods: ["lora", "dora+es", "bidora"], task: "regression", pairs }, undefined).pairs;
    expect(pairsGiven("bidora:lora", "dora+es:bidora")).toEqual([
      ["bidora", "lora"],
      ["dora+es", "bidora"],
    ]);
    expect(readSpec({ methods: ["lora"], task: "regression" }, undefined).pairs).toBeUndefined();
    expect(() => pairsGiven("lora:dora")).toThrow(
      "--pairs takes methods of this comparison (lora, dora+es, bidora); got dora. Did you mean",
    );
    expect(() => pairsGiven("lora:lora")).toThrow("--pairs compares lora with itself: name two methods.");
    expect(() => pairsGiven("lora:bidora", "bidora:lora")).toThrow("--pairs names bidora and lora twice");
    expect(() => readSpec({ task: "regression" }, file("pairs: [lora]"))).toThrow(/pairs/);
  });

  it("runs methods that the file defines, in folders of their names, with the settings of their method and their own", async () => {
    const path = file(
      "task: regression",
      "train: t",
      "normGradient: detached",
      "methods: [dora, {name: dora-matched, method: dora, normGradient: full, regularizer: 1.0e-5}, dora-matched+es,",
      "  {name: in, method: bidora, magnitudeAxis: in}]",
      "perMethod: {dora: {learningRate: 0.1}, dora-matched: {rank: 2}, in: {xi: 0.5}}",
      "output: out",
    );
    const cells = await cellsOf({}, path);
    expect(cells.map(({ folder }) => folder)).toEqual(
      ["dora", "dora-matched", "dora-matched+es", "in"].map((name) => `out/regression/${name}/seed-0`),
    );
    const [dora, matched, early, axis] = cells.map(({ settings }) => settings);
    expect(dora).toMatchObject({ method: "dora", normGradient: "detached", learningRate: 0.1 });
    expect(dora).not.toHaveProperty("regularizer");
    const own = { method: "dora", normGradient: "full", regularizer: 1e-5, learningRate: 0.1, rank: 2 };
    expect(matched).toMatchObject(own);
    expect(early).toMatchObject({ ...own, earlyStopping: 3, holdoutFraction: 0.2 });
    expect(axis).toMatchObject({ method: "bidora", normGradient: "detached", magnitudeAxis: "in", xi: 0.5 });
    const [flagged, ...others] = await cellsOf({ methods: ["dora-matched"], normGradient: "detached" }, path);
    expect(others).toEqual([]);
    expect(flagged?.settings).toMatchObject({ normGradient: "detached", regularizer: 1e-5 });
    expect(() => pairsOf(readSpec({ regularizer: 0.5, methods: ["dora", "in"] }, path))).not.toThrow();
  });

  it("gives a task's settings of a method precedence over the comparison's, and names over methods", async () => {
    const path = file(
      "learningRate: 0.9",
      "tasks:",
      "  - {name: a, task: regression, train: t, learningRate: 0.8, perMethod: {lora: {learningRate: 0.1}}}",
      "  - {name: b, task: regression, train: t, learningRate: 0.7}",
      "perMethod: {lora: {learningRate: 0.2}, dora: {learningRate: 0.3}, lora+es: {rank: 2}}",
    );
    const rates = async (flags: Parameters<typeof readSpec>[0]) =>
      (await cellsOf(flags, path)).map(({ settings }) => settings.learningRate);
    const methods = ["lora", "lora+es", "dora", "full"];
    expect(await rates({ methods })).toEqual([0.1, 0.1, 0.3, 0.8, 0.2, 0.2, 0.3, 0.7]);
    expect(await rates({ methods, learningRate: 0.5 })).toEqual(Array(8).fill(0.5));
    const idle = file("tasks: [{name: a, task: regression, train: t, perMethod: {lora: {xi: 1}}}]");
    expect(() => pairsOf(readSpec({ methods: ["lora", "bidora"] }, idle))).toThrow(
      "No effect in any run of lora on a: --xi",
    );
  });

  it("has the main metric of a task, or of all tasks; a flag takes precedence", () => {
    const path = file(
      "mainMetric: pearson",
      "tasks: [{name: a, task: regression, train: t, mainMetric: spearman}, {name: b, task: regression, train: t}]",
    );
    const of = (flags: Parameters<typeof readSpec>[0]) => requestedResults(readSpec(flags, path)).mainMetrics;
    expect(of({})).toEqual({ a: "spearman", b: "pearson" });
    expect(of({ mainMetric: "meanSquaredError" })).toEqual({ a: "meanSquaredError", b: "meanSquaredError" });
    // Runs on a task that this call leaves out are summarized, too.
    expect(of({ tasks: ["b"] })).toEqual({ a: "spearman", b: "pearson" });
    expect(of({ tasks: ["b"], mainMetric: "meanSquaredError" })).toEqual({ a: "spearman", b: "meanSquaredError" });
    expect(requestedResults(readSpec({}, file("task: regression"))).mainMetrics).toEqual({});
    expect(() => readSpec({}, file("tasks: [{name: a, task: regression, mainMetric: 3}]"))).toThrow(
      "In task 1 of the list: mainMetric takes",
    );
  });

  it("takes a flag for one method beside settings of another", async () => {
    const path = file("task: regression", "train: t", "perMethod: {lora: {rank: 2}}");
    const cells = await cellsOf({ methods: ["lora", "bidora"], xi: 0.5 }, path);
    expect(cells.map(({ settings }) => settings.xi)).toEqual([undefined, 0.5]);
  });

  it("leaves settings without effect out of a run, and refuses those without effect in any run", async () => {
    const path = file("task: regression", "train: t", "rank: 4", "hypergradient: first-order");
    const cells = await cellsOf({ methods: ["full", "lora", "bidora"] }, path);
    expect(cells.map(({ settings }) => [settings.rank, settings.hypergradient])).toEqual([
      [undefined, undefined],
      [4, undefined],
      [4, "first-order"],
    ]);
    const idle = "No effect in any run of this comparison: --hypergradient";
    const named = file("task: regression", "train: t", "hypergradient: first-order", "methods: [full, lora]");
    expect(() => pairsOf(readSpec({}, named))).toThrow(idle);
    expect(() => pairsOf(readSpec({ methods: ["lora"], hypergradient: "exact" }, path))).toThrow(idle);
    // The file may be for more methods than are asked for this time.
    expect(pairsOf(readSpec({ methods: ["full", "lora"] }, path)).length).toBe(2);
  });

  it("refuses settings without effect on their method, in a grid, or with a budget", () => {
    const idle = (lines: readonly string[], flags: Parameters<typeof readSpec>[0] = {}) =>
      expect(() => pairsOf(readSpec(flags, file("task: regression", "train: t", ...lines))));
    const mine = "perMethod: {lora: {xi: 0.5}}";
    idle([mine], { methods: ["bidora", "lora+es"] }).toThrow("No effect in any run of lora: --xi");
    idle([mine], { methods: ["bidora"] }).not.toThrow();
    idle(["perMethod: {bidora: {searchFraction: 0.7}}"], { methods: ["bidora", "bidora-folds"] }).not.toThrow();
    idle([], { methods: ["lora"], grid: ["xi=0.1,0.2"] }).toThrow("No effect in any run of --tune: --xi");
    idle([], { methods: ["lora", "bidora"], grid: ["xi=0.1,0.2"] }).not.toThrow();
    idle([], { budget: "steps=9", epochs: 2 }).toThrow(
      "No effect with --budget, which sets the length of the runs: --epochs",
    );
    idle([], { budget: "steps=9", grid: ["maxSteps=1,2"] }).toThrow("the length of the runs: --max-steps");
    idle(["epochs: 2"], { budget: "steps=9" }).not.toThrow();
  });

  it("refuses two names for one run", () => {
    const same = (flags: Parameters<typeof readSpec>[0]) =>
      expect(() => pairsOf(readSpec(flags, file("task: regression", "train: t"))));
    const warm = { methods: ["lora", "bidora", "bidora-warm"] };
    same(warm).not.toThrow();
    same({ ...warm, warmStart: true }).toThrow("bidora and bidora-warm are the same run on regression");
    same({ methods: ["bidora-folds", "bidora"], searchFolds: 5 }).toThrow("bidora-folds and bidora are the same run");
    const early = { methods: ["lora", "lora+es"], earlyStopping: 2, evalEvery: 5 };
    same(early).not.toThrow();
    same({ ...early, earlyStopping: 3, earlyStoppingMetric: "loss" }).not.toThrow();
    same({ ...early, holdoutFraction: 0.2, earlyStoppingMetric: "loss" }).toThrow("lora and lora+es are the same run");
  });

  it("takes one method twice if other points are tried for it", () => {
    const methods = "methods: [lora, {name: tuned, method: lora}]";
    const same = (...lines: readonly string[]) =>
      expect(() => pairsOf(readSpec({}, file("task: regression", "train: t", methods, ...lines))));
    same("perMethod: {tuned: {tune: {weightDecay: [0.1, 1]}}}").not.toThrow();
    same("tune: {weightDecay: [0.1, 1]}").toThrow("lora and tuned are the same run on regression");
  });

  it("gives a variant the settings that have an effect in it", async () => {
    const path = file("task: regression", "train: t", "searchFraction: 0.7", "perMethod: {bidora: {xi: 0.1}}");
    const [bidora, folds] = await cellsOf({ methods: ["bidora", "bidora-folds"] }, path);
    expect(bidora?.settings).toMatchObject({ searchFraction: 0.7, xi: 0.1 });
    expect(folds?.settings).toMatchObject({ searchFolds: 5, xi: 0.1 });
    expect(folds?.settings).not.toHaveProperty("searchFraction");
  });

  it("runs grid points that amount to the same run once", async () => {
    const flags = { methods: ["lora", "bidora"], grid: ["xi=0.1,0.2", "rank=2,4"] };
    const spec = readSpec(flags, file("task: regression", "train: t"));
    const cells = await Promise.all(pairsOf(spec).map((pair) => gridCells(spec, pair, facts)));
    expect(cells.map(({ length }) => length)).toEqual([2, 4]);
    expect(cells[0]?.map(({ settings }) => settings.rank)).toEqual([2, 4]);
  });

  it("evaluates ten times in a run, counted by the rows left to train on", async () => {
    const steps = { ...facts, stepsOf: async (run: RunConfig) => (run.holdoutFraction === 0.2 ? 800 : 1000) };
    const spec = readSpec({ methods: ["lora+es"] }, file("task: regression", "train: t"));
    const [cell] = await finalCells(spec, pairsOf(spec)[0]!, steps);
    expect(cell?.settings.evalEvery).toBe(80);
  });

  it("holds out as many rows as BiDoRA's upper level has, wherever that is set", async () => {
    const path = file("task: regression", "train: t", "perMethod: {bidora: {searchFraction: 0.75}}");
    const [early] = await cellsOf({ methods: ["lora+es"] }, path);
    expect(early?.settings.holdoutFraction).toBe(0.25);
  });

  it("stops early on as many rows as the upper level has, with ten evaluations, unless the file says otherwise", async () => {
    const path = file("task: regression", "train: t");
    const [plain, early] = await cellsOf({ methods: ["dora", "dora+es"] }, path);
    expect(plain?.settings).not.toHaveProperty("holdoutFraction");
    expect(early?.settings).toMatchObject({ method: "dora", earlyStopping: 3, evalEvery: 4, holdoutFraction: 0.2 });
    const both = await cellsOf({ methods: ["bidora", "lora+es"], searchFraction: 0.75 }, path);
    expect(both[1]?.settings).toMatchObject({ holdoutFraction: 0.25 });
    const [, own] = await cellsOf({ methods: ["lora", "lora+es"], tasks: ["small"] }, file(...LIST));
    expect(own?.settings).toMatchObject({ evalEvery: 7, learningRate: 0.5 });
  });

  it("saves five checkpoints during a run, and keeps them unless they are whole models", async () => {
    const path = file("task: regression", "train: t");
    const cells = await cellsOf({ methods: ["lora", "full"] }, path);
    expect(cells.map(({ settings }) => [settings.saveEvery, settings.keepCheckpoints])).toEqual([
      [8, undefined],
      [8, 1],
    ]);
    const [own] = await cellsOf({ methods: ["full"], saveEvery: 3 }, path);
    expect([own?.settings.saveEvery, own?.settings.keepCheckpoints]).toEqual([3, undefined]);
  });

  it("keeps the budget in a grid's runs", async () => {
    const flags = { methods: ["lora", "bidora"], grid: ["batchSize=2,8"], budget: "rows=160" } as const;
    const spec = readSpec(flags, file("task: regression", "train: t", "epochs: 9"));
    const [lora, bidora] = await Promise.all(pairsOf(spec).map((pair) => gridCells(spec, pair, facts)));
    expect(lora?.map(({ settings }) => [settings.batchSize, settings.maxSteps, settings.epochs])).toEqual([
      [2, 80, undefined],
      [8, 20, undefined],
    ]);
    expect(bidora?.map(({ settings }) => [settings.maxSteps, settings.retrainSteps])).toEqual([
      [13, 41],
      [3, 11],
    ]);
    expect(lora?.[0]).toMatchObject({ folder: "runs/comparison/regression/lora/grid/batchSize=2", seed: 0 });
    expect(lora?.[0]?.settings).toMatchObject({ holdoutFraction: 0.2 });
    const [pair] = pairsOf(spec);
    const [chosen] = await finalCells(spec, pair!, facts, { batchSize: 8 });
    expect(chosen?.settings).toMatchObject({ batchSize: 8, maxSteps: 20 });
    expect(chosen?.settings).not.toHaveProperty("holdoutFraction");
  });

  it("converts a budget of seconds by the time per step", async () => {
    const flags = { methods: ["lora", "bidora"], budget: "seconds=60" };
    const [lora, bidora] = await cellsOf(flags, file("task: regression", "train: t"));
    expect(lora?.settings.maxSteps).toBe(60);
    expect([bidora?.settings.maxSteps, bidora?.settings.retrainSteps]).toEqual([10, 30]);
  });

  it.each([
    [["train: t"], {}, "--task is missing"],
    [["task: regression", "ranke: 4"], {}, 'unknown key "ranke". Did you mean "rank"?'],
    [["tasks: [{name: a, task: regression, ranke: 4}]"], {}, 'In task 1 of the list: Unknown setting "ranke".'],
    [["tasks: [{name: a, task: regression}, {name: a, task: regression}]"], {}, "names a twice"],
    [["tasks: [{train: t}]"], {}, "A name is missing in task 1 of the list"],
    [["tasks: [{name: .., task: regression}]"], {}, "A task can't be named .., since its runs are in a folder"],
    [["tasks: [{name: ., task: regression}]"], {}, "A task can't be named ."],
    [["tasks: [{name: comparison.json, task: regression}]"], {}, "A task can't be named comparison.json"],
    [["tasks: [{name: a, task: regression}]"], { tasks: ["b"] }, "--tasks takes names of the file's tasks (a); got b."],
    [["task: regression", "perMethod: {lorra: {rank: 4}}"], {}, "got lorra"],
    [["task: regression", "perMethod: {lora: {rank: x}}"], {}, "In the settings of lora: rank takes a whole number"],
    [
      ["task: regression", "perMethod: {lora: {seed: 3}}"],
      {},
      "In the settings of lora: seed is set by the comparison",
    ],
    [["task: regression", "perMethod: {lora: {validation: f}}"], {}, "validation is set by the comparison"],
    [["tasks: [{name: a, task: regression, output: x}]"], {}, "In task 1 of the list: output is set by the comparison"],
    [["tasks: [{name: a, task: regression, seeds: [1]}]"], {}, 'Unknown setting "seeds"'],
    [["task: regression", "methods: [{method: dora}]"], {}, "In method 1 of the list: name takes letters, digits"],
    [["task: regression", "methods: [{name: a/b, method: dora}]"], {}, "; got a/b."],
    [["task: regression", "methods: [{name: .., method: dora}]"], {}, "; got ..."],
    [["task: regression", "methods: [{name: x+es, method: dora}]"], {}, "without +es at the end"],
    [["task: regression", "methods: [{name: lora, method: dora}]"], {}, "lora is a method already"],
    [["task: regression", "methods: [{name: DoRA, method: dora}]"], {}, "DoRA is a method already"],
    [["task: regression", "methods: [{name: x}]"], {}, "method is missing"],
    [["task: regression", "methods: [{name: x, method: dorra}]"], {}, 'got dorra. Did you mean "dora"?'],
    [["task: regression", "methods: [{name: x, method: dora, seed: 1}]"], {}, "In the settings of x: seed is set by"],
    [
      ["task: regression", "methods: [{name: x, method: dora, ranke: 1}]"],
      {},
      'In the settings of x: Unknown setting "ranke"',
    ],
    [["task: regression", "methods: [{name: x, method: dora}, {name: X, method: lora}]"], {}, "defines x twice"],
    [["task: regression", "methods: [{name: x, method: dora}]"], { methods: ["y"] }, "--methods takes x, full,"],
    [["tasks: [{name: a, task: regression, perMethod: {lorra: {}}}]"], {}, "got lorra"],
    [["tasks: [{name: a, task: regression, perMethod: 3}]"], {}, "In task 1 of the list: perMethod takes a mapping"],
    [
      ["tasks: [{name: a, task: regression, perMethod: {lora: {seed: 1}}}]"],
      {},
      "lora in task 1 of the list: seed is set",
    ],
    [["task: regression", "seeds: [0, 0]"], {}, "--seeds names 0 twice"],
    [["task: regression", "seeds: [0.5]"], {}, "seeds takes whole numbers"],
    [["task: regression", "budget: tokens=5"], {}, "budget takes steps=N, rows=N or seconds=N"],
  ] as const)("refuses %j %j", (lines, flags, sentence) => {
    expect(() => readSpec(flags as object, file(...lines))).toThrow(sentence);
  });
});

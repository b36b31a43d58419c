import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseArguments } from "../../../src/app/cli/args.js";
import { shellLine } from "../../../src/base/format.js";
import { runsFailed } from "../../../src/studies/comparison/jobs/comparisonProgress.js";
import { type EndedRun, flagsOf } from "../../../src/studies/comparison/jobs/jobs.js";
import {
  lengthWithinBudget,
  ONE_PER_STEP,
  readBudget,
  rowsPerStep,
} from "../../../src/studies/comparison/plan/budget.js";
import { secondsWithJobs } from "../../../src/studies/comparison/plan/estimates.js";
import { bestPoint, gridPoints, pointName } from "../../../src/studies/comparison/plan/grid.js";
import { variantsOf } from "../../../src/studies/comparison/spec/variants.js";
import { type RunSettings, resolveRun, runOptions } from "../../../src/tasks/config/index.js";

describe("variants", () => {
  it("are methods, optionally with early stopping or BiDoRA's other forms", () => {
    const found = variantsOf(["lora", "lora+es", "bidora-folds", "bidora-warm+es", "full+es"]);
    expect(found.map(({ method }) => method)).toEqual(["lora", "lora", "bidora", "bidora", "full"]);
    expect(found.map(({ stopsEarly }) => stopsEarly)).toEqual([false, true, false, true, true]);
    expect(found.map(({ settings }) => settings)).toEqual([
      {},
      { earlyStopping: 3, earlyStoppingMetric: "loss" },
      { searchFolds: 5 },
      { warmStart: true, earlyStopping: 3, earlyStoppingMetric: "loss" },
      { earlyStopping: 3, earlyStoppingMetric: "loss" },
    ]);
  });

  it("have settings under the names of their method, their base and their own", () => {
    const defined = [{ name: "near", method: "dora", settings: {} }];
    const found = variantsOf(["lora", "lora+es", "bidora-folds+es", "near", "near+es"], defined);
    expect(found.map(({ names }) => names.join(" "))).toEqual([
      "lora",
      "lora lora+es",
      "bidora bidora-folds bidora-folds+es",
      "dora near",
      "dora dora+es near near+es",
    ]);
    expect(found.map(({ name, method, stopsEarly }) => [name, method, stopsEarly]).slice(3)).toEqual([
      ["near", "dora", false],
      ["near+es", "dora", true],
    ]);
    const early = [{ name: "soon", method: "lora+es", settings: {} }];
    expect(variantsOf(["soon"], early)[0]).toMatchObject({ stopsEarly: true, settings: { earlyStopping: 3 } });
    expect(() => variantsOf(["soon+es"], early)).toThrow("soon is lora+es, which stops early by itself");
    expect(() => variantsOf(["neer"], defined)).toThrow('got neer. Did you mean "near"?');
  });

  it("may have a start of their low-rank updates", () => {
    const names = ["lora+pissa", "dora+lora-ga+es", "bidora-folds+olora"];
    expect(variantsOf(names)).toMatchObject([
      { name: "lora+pissa", method: "lora", settings: { initLoraWeights: "pissa" }, names: ["lora", "lora+pissa"] },
      {
        method: "dora",
        settings: { initLoraWeights: "lora-ga", earlyStopping: 3 },
        names: ["dora", "dora+lora-ga", "dora+lora-ga+es"],
        stopsEarly: true,
      },
      { method: "bidora", settings: { initLoraWeights: "olora", searchFolds: 5 } },
    ]);
    for (const wrong of ["vera+pissa", "lora+pisa", "lora+default", "lora+es+pissa", "+pissa"])
      expect(() => variantsOf([wrong]), wrong).toThrow(`got ${wrong}`);
    expect(() => variantsOf(["lora+pisa"])).toThrow('Did you mean "lora+pissa"?');
  });

  it("are refused with a message if unknown", () => {
    expect(() => variantsOf(["lora", "lora"])).toThrow("names lora twice");
    expect(() => variantsOf(["lorra"])).toThrow('got lorra. Did you mean "lora"?');
    expect(() => variantsOf(["+es"])).toThrow("got +es");
    expect(() => variantsOf(["__proto__"])).toThrow("got __proto__");
  });
});

describe("the command line of a run", () => {
  const settings: RunSettings = {
    model: "my models/a b",
    task: "sequence-classification",
    textColumns: ["one", "two"],
    rankPattern: { query: 4, value: 16 },
    targetModules: "(query|value)$",
    rslora: true,
    shuffle: false,
    learningRate: 1e-4,
    xi: 0.5,
    output: "it's --here",
  };

  it("has the run's settings", () => {
    expect(parseArguments(runOptions, flagsOf(settings)).given).toEqual(settings);
  });

  it("is quoted for the shell", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, unit: "grapheme-ascii" }), { minLength: 1, maxLength: 4 }),
        (words) => {
          const script = `${shellLine([process.execPath, "-e", "process.stdout.write(JSON.stringify(process.argv.slice(1)))", "--", ...words])}`;
          expect(JSON.parse(execFileSync("sh", ["-c", script], { encoding: "utf8" }))).toEqual(words);
        },
      ),
      { numRuns: 10 },
    );
  });
});

describe("a budget", () => {
  const config = (settings: RunSettings) => resolveRun({ model: "m", batchSize: 4, ...settings });

  it("of steps is spent by every method, half of it on a search", () => {
    const amount = readBudget("steps=101");
    expect(lengthWithinBudget(config({ method: "lora" }), amount, ONE_PER_STEP)).toEqual({ maxSteps: 101 });
    expect(lengthWithinBudget(config({ method: "bidora" }), amount, ONE_PER_STEP)).toEqual({
      maxSteps: 50,
      retrainSteps: 51,
    });
  });

  it("of rows counts the upper level's rows too", () => {
    const bidora = config({ method: "bidora", unrollSteps: 2, gradientAccumulation: 3, hypergradient: "first-order" });
    expect(rowsPerStep(bidora, 400)).toEqual({ train: 12, search: 36, retrain: 12 });
    const length = lengthWithinBudget(bidora, readBudget("rows=7200"), rowsPerStep(bidora, 400));
    expect(length).toEqual({ maxSteps: 100, retrainSteps: 300 });
  });

  it.each([
    ["first-order", 8],
    ["exact", 12],
    ["forward-difference", 12],
    ["finite-difference", 16],
    ["neumann", 8 + 3 * 4],
    ["cg", 8 + 4 * 4],
  ] as const)("of rows counts what the second term of %s takes through the model", (hypergradient, search) => {
    const terms = ["neumann", "cg"].includes(hypergradient) ? { hypergradientTerms: 3 } : {};
    expect(rowsPerStep(config({ method: "bidora", hypergradient, ...terms }), 400).search).toBe(search);
  });

  it("of rows counts short last batches by their size", () => {
    // Passes of 10 rows are batches of 4, 4 and 2; below are 8 of them, above 2.
    const firstOrder = { method: "bidora", hypergradient: "first-order" } as const;
    const costs = rowsPerStep(config(firstOrder), 10);
    expect(costs).toEqual({ train: 10 / 3, search: 4 + 2, retrain: 10 / 3 });
    expect(lengthWithinBudget(config({ method: "bidora" }), readBudget("rows=60"), costs)).toEqual({
      maxSteps: 5,
      retrainSteps: 9,
    });
    expect(lengthWithinBudget(config({ method: "lora" }), readBudget("rows=60"), costs)).toEqual({ maxSteps: 18 });
    expect(rowsPerStep(config({ method: "lora", dropLast: true }), 10).train).toBe(4);
    expect(rowsPerStep(config({ ...firstOrder, searchFolds: 5 }), 10).search).toBe(4 + 2);
    expect(rowsPerStep(config({ ...firstOrder, searchFraction: 0.5 }), 10).search).toBe(2.5 + 2.5);
    // 63 rows and 27, as the split gives them.
    expect(rowsPerStep(config({ ...firstOrder, searchFraction: 0.7 }), 90).search).toBeCloseTo(63 / 16 + 27 / 7, 12);
  });

  it("is refused if not every method can keep it", () => {
    const costs = { train: 4, search: 9, retrain: 4 };
    const length = (method: "lora" | "bidora", rows: number) =>
      lengthWithinBudget(config({ method }), readBudget(`rows=${rows}`), costs);
    expect(length("lora", 4)).toEqual({ maxSteps: 1 });
    expect(() => length("lora", 3)).toThrow("--budget rows=3 is not enough for a step of lora: it takes 4.");
    expect(length("bidora", 18)).toEqual({ maxSteps: 1, retrainSteps: 2 });
    expect(() => length("bidora", 17)).toThrow(
      "rows=17 is not enough for a step in each phase of bidora: it takes 18.",
    );
    expect(() => lengthWithinBudget(config({ method: "bidora" }), readBudget("steps=1"), ONE_PER_STEP)).toThrow(
      "it takes 2.",
    );
    expect(() => lengthWithinBudget(config({ method: "lora" }), readBudget("steps=0"), ONE_PER_STEP)).toThrow(
      "it takes 1.",
    );
  });
});

describe("a grid", () => {
  it("is every combination of the values", () => {
    const expected = [
      { learningRate: 1e-4, rank: 4 },
      { learningRate: 1e-4, rank: 8 },
      { learningRate: 3e-4, rank: 4 },
      { learningRate: 3e-4, rank: 8 },
    ];
    expect(gridPoints(["learningRate=1e-4,3e-4", "rank=4,8"])).toEqual(expected);
    expect(gridPoints({ learningRate: [1e-4, 3e-4], rank: [4, 8] })).toEqual(expected);
    expect(new Set(expected.map(pointName)).size).toBe(4);
    expect(pointName({ targetModules: "a/b" } as RunSettings)).not.toMatch(/\//);
    const patterns = gridPoints({ rankPattern: [{ query: 4 }, { query: 8 }], targetModules: [["query"], ".*query"] });
    expect(new Set(patterns.map(pointName)).size).toBe(4);
  });

  it("accepts only settings of a run, with valid values", () => {
    expect(() => gridPoints(["learnRate=1"])).toThrow('got learnRate. Did you mean "learningRate"?');
    expect(() => gridPoints(["rank=4.5"])).toThrow("--tune rank takes a whole number");
    expect(() => gridPoints(["rank=4", "rank=8"])).toThrow("names rank twice");
    expect(() => gridPoints(["learningRate=1e-4,0.0001"])).toThrow("--tune has learningRate=0.0001 twice");
    const others = ["seed", "output", "method", "revision", "adapter"];
    const judgedBy = ["train", "validation", "trainLimit", "holdoutFraction", "shuffle", "labelColumn", "trainOn"];
    const noScore = ["beams", "maxNewTokens", "lengthPenalty", "noRepeatNgram"];
    for (const key of [...others, ...judgedBy, ...noScore])
      expect(() => gridPoints([`${key}=1`])).toThrow("--tune takes settings of the training");
  });

  it("selects the best score; of equal ones that with the most default values, else the first", () => {
    const points = (...defaults: number[]) =>
      [1, 3, 3, 2, 3, 1].map((score, rank) => ({ score, point: { rank }, defaults: defaults[rank] ?? 0 }));
    expect(bestPoint(points(), "maximize")).toEqual({ rank: 1 });
    expect(bestPoint(points(), "minimize")).toEqual({ rank: 0 });
    expect(bestPoint(points(9, 0, 1, 9, 2, 9), "maximize")).toEqual({ rank: 4 });
    expect(bestPoint(points(0, 9, 9, 9, 9, 1), "minimize")).toEqual({ rank: 5 });
    const rounded = [0.1 + 0.2, 0.3].map((score, rank) => ({ score, point: { rank }, defaults: rank }));
    expect(bestPoint(rounded, "maximize")).toEqual({ rank: 1 });
  });
});

it("the total time of runs is their sum, spread over the parallel jobs", () => {
  const pairs = [
    { runs: 3, seconds: 1 },
    { runs: 2, seconds: 5 },
  ];
  expect([1, 2, 3, 5, 9].map((jobs) => secondsWithJobs(pairs, jobs))).toEqual([13, 7, 6, 5, 5]);
  expect(secondsWithJobs([], 2)).toBe(0);
});

describe("failed runs of a comparison", () => {
  const ended = (count: number): EndedRun[] =>
    Array.from({ length: count }, (_, seed) => ({
      cell: { task: "t", variant: variantsOf(["lora"])[0]!, seed, point: undefined, folder: "", settings: {} },
      status: "failed",
      message: "bidora: no such thing.",
    }));

  it("names the first few", () => {
    expect(runsFailed(ended(1), 4).message).toMatch(/^1 of 4 runs failed; .*\. t lora seed 0: no such thing\.$/);
    expect(runsFailed(ended(2), 2).message).toMatch(
      /^2 of 2 runs failed; the same command continues with the missing ones\. /,
    );
    expect(runsFailed(ended(4), 4).message).toMatch(/So did t lora seed 1, t lora seed 2, t lora seed 3\.$/);
    expect(runsFailed(ended(88), 90).message).toMatch(/seed 3 and 84 more\.$/);
  });
});

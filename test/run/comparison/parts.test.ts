import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseArguments } from "../../../src/cli/args.js";
import { type RunSettings, resolveRun, runOptions } from "../../../src/config/index.js";
import { lengthWithin, ONE_A_STEP, readBudget, rowsOfStep } from "../../../src/run/comparison/budget.js";
import { flagsOf, shellLine } from "../../../src/run/comparison/commandLine.js";
import { bestPoint, gridPoints, pointName } from "../../../src/run/comparison/grid.js";
import { variantsOf } from "../../../src/run/comparison/variants.js";

describe("variants", () => {
  it("are methods, with early stopping or in BiDoRA's other forms", () => {
    const found = variantsOf(["lora", "lora+es", "bidora-folds", "bidora-warm+es", "full+es"]);
    expect(found.map(({ method }) => method)).toEqual(["lora", "lora", "bidora", "bidora", "full"]);
    expect(found.map(({ stopsEarly }) => stopsEarly)).toEqual([false, true, false, true, true]);
    expect(found.map(({ settings }) => settings)).toEqual([
      {},
      { earlyStopping: 3 },
      { searchFolds: 5 },
      { warmStart: true, earlyStopping: 3 },
      { earlyStopping: 3 },
    ]);
  });

  it("are refused by name", () => {
    expect(() => variantsOf(["lora", "lora"])).toThrow("names lora twice");
    expect(() => variantsOf(["lorra"])).toThrow('got lorra. Did you mean "lora"?');
    expect(() => variantsOf(["+es"])).toThrow("got +es");
    expect(() => variantsOf(["__proto__"])).toThrow("got __proto__");
  });
});

describe("a command line", () => {
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

  it("says what the settings say", () => {
    expect(parseArguments(runOptions, flagsOf(settings)).given).toEqual(settings);
  });

  it("comes through a shell as it is", () => {
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

  it("of steps is used up by every method, a search as much as the retraining", () => {
    const { amount } = readBudget("steps=101");
    expect(lengthWithin(config({ method: "lora" }), amount, ONE_A_STEP)).toEqual({ maxSteps: 101 });
    expect(lengthWithin(config({ method: "bidora" }), amount, ONE_A_STEP)).toEqual({ maxSteps: 50, retrainSteps: 51 });
  });

  it("of rows counts those of the upper level", () => {
    const bidora = config({ method: "bidora", unrollSteps: 2, gradientAccumulation: 3 });
    expect(rowsOfStep(bidora)).toEqual({ train: 12, search: 36, retrain: 12 });
    const { maxSteps, retrainSteps } = lengthWithin(bidora, 7200, rowsOfStep(bidora)) as Record<string, number>;
    expect([maxSteps, retrainSteps]).toEqual([100, 300]);
  });

  it("of next to nothing is a step in each phase", () => {
    expect(lengthWithin(config({ method: "bidora" }), 1, ONE_A_STEP)).toEqual({ maxSteps: 1, retrainSteps: 1 });
  });
});

describe("a grid", () => {
  it("has every combination, as settings", () => {
    const expected = [
      { learningRate: 1e-4, rank: 4 },
      { learningRate: 1e-4, rank: 8 },
      { learningRate: 3e-4, rank: 4 },
      { learningRate: 3e-4, rank: 8 },
    ];
    expect(gridPoints(["learningRate=1e-4,3e-4", "rank=4,8"])).toEqual(expected);
    expect(gridPoints({ learningRate: [1e-4, 3e-4], rank: [4, 8] })).toEqual(expected);
    expect(gridPoints(undefined)).toEqual([]);
    expect(new Set(expected.map(pointName)).size).toBe(4);
    expect(pointName({ targetModules: "a/b" } as RunSettings)).not.toMatch(/\//);
  });

  it("takes settings of a run alone, with values that they have", () => {
    expect(() => gridPoints(["learnRate=1"])).toThrow('got learnRate. Did you mean "learningRate"?');
    expect(() => gridPoints(["rank=4.5"])).toThrow("--grid rank takes a whole number");
    expect(() => gridPoints(["rank=4", "rank=8"])).toThrow("names rank twice");
    for (const key of ["seed", "output", "method"]) expect(() => gridPoints([`${key}=1`])).toThrow("settings of a run");
  });

  it("is chosen from by the best score, the first of equals", () => {
    const scores = [1, 3, 3, 2].map((score, rank) => ({ score, point: { rank } }));
    expect(bestPoint(scores, "maximize")).toEqual({ rank: 1 });
    expect(bestPoint(scores, "minimize")).toEqual({ rank: 0 });
  });
});

import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { METRICS } from "../../../src/base/records/metrics.js";
import { bestPoints, toRuns } from "../../../src/studies/report/runs.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { bidora, fresh, list, ROWS, run, SMALL_FLAGS, write } from "../support.js";

const VALIDATION = join(ROWS, "train.jsonl");
const metricsOf = (output: string) =>
  JSON.parse(readFileSync(join(output, METRICS), "utf8")) as Record<string, unknown>;

describe("a result that equals the run's start", () => {
  test.each([
    ["after the first step of a warm-up", { maxSteps: 1 }, "its only step is the first of the warm-up"],
    ["at a learning rate of 0", { learningRate: 0 }, "since --learning-rate is 0: use a larger one."],
  ] as const)("is said to be untrained: %s", async (_, settings, why) => {
    const { outcome, events, output, metrics } = await run({ method: "lora", validation: VALIDATION, ...settings });
    expect(outcome).toEqual([
      expect.stringMatching(/^The model is untrained: no trained tensor differs from its start/),
    ]);
    expect(outcome[0]).toContain(why);
    expect(events.at(-1)).toMatchObject({ event: "done", untrained: true });
    expect(metricsOf(output)).toMatchObject({ ...metrics, untrained: true });
  });

  test("is not said to be untrained if factors of updates changed, but is if only learned weight decays did", async () => {
    const { output: adapter } = await run({ method: "lora", learningRate: 0.1, maxSteps: 3 });
    const rates = { learningRate: 0, upperLearningRate: 0.1 };
    const settings = { method: "lora", adapter, ...rates, maxSteps: 3, retrainSteps: 0 } as const;
    const untrained = async (upper: "scales" | "decay") =>
      "untrained" in metricsOf((await run({ ...settings, upper })).output);
    expect([await untrained("scales"), await untrained("decay")]).toEqual([false, true]);
  });

  test("by the rate of the last phase", async () => {
    const { outcome } = await run({
      method: "bidora",
      learningRate: 0,
      retrainLearningRate: 0.1,
      maxSteps: 2,
      retrainSteps: 1,
    });
    expect(outcome).toEqual([expect.stringContaining("since its only step is the first of the warm-up")]);
  });

  test("is no result of a step at another rate", async () => {
    const { outcome, events, output, metrics } = await run({ method: "lora", maxSteps: 1, warmupRatio: 0 });
    expect(outcome.join()).not.toContain("untrained");
    expect("untrained" in events.at(-1)!).toBe(false);
    expect(metricsOf(output)).toEqual(metrics);
  });
});

/** A run whose first evaluation is its best one, after a step of rate 0. */
const WORSE = {
  method: "lora",
  validation: VALIDATION,
  evalEvery: 1,
  learningRate: 1,
  warmupRatio: 0.5,
  maxSteps: 12,
  earlyStopping: 1,
} satisfies RunSettings;

test("early stopping that has kept no state has chosen none", async () => {
  const of = async (learningRate: number) => {
    const { events, output } = await run({ ...WORSE, maxSteps: 2, warmupRatio: 0, learningRate });
    const isInCard = readFileSync(join(output, "README.md"), "utf8").includes("were used for selection");
    return ["chosenBy" in events.at(-1)!, isInCard];
  };
  expect(await of(0)).toEqual([false, false]);
  expect(await of(0.1)).toEqual([true, true]);
});

test("early stopping without an evaluation is wrong usage, and nothing is left", async () => {
  const output = fresh();
  const found = await bidora(
    ...[
      "finetune",
      ...SMALL_FLAGS,
      "--validation",
      VALIDATION,
      "--method",
      "bidora",
      "--max-steps",
      "4",
      "--output",
      output,
    ],
    ...["--retrain-steps", "4", "--eval-every", "9", "--early-stopping", "2", "--holdout-fraction", "0.2"],
  );
  expect(found.stderr).toContain("the run of 8 steps has none with --eval-every 9: give a smaller --eval-every.");
  expect(found.status).toBe(2);
  expect(list(output)).toEqual([]);
});

test("early stopping neither ends in the warm-up nor goes back to the state before the first update", async () => {
  const { events, output, metrics } = await run({ ...WORSE, earlyStoppingMetric: "loss" });
  const steps = events.filter((event) => event.event === "step");
  expect(steps.length).toBeGreaterThan(6);
  expect(events.find((event) => event.event === "start")).toMatchObject({
    stopsBy: { metric: "loss", goal: "minimize" },
    judgedBy: { metric: "accuracy", goal: "maximize" },
  });
  const losses = events.flatMap((event) => (event.event === "evaluation" ? [event.metrics.loss!] : [])).slice(0, -1);
  expect(Math.min(...losses)).toBe(losses[0]);
  expect(metrics.loss).toBe(Math.min(...losses.slice(1)));
  expect("untrained" in metricsOf(output)).toBe(false);
  const [best] = bestPoints(toRuns([{ name: "a", events, isTorn: false }])[0]!);
  expect(best).toMatchObject({ metric: "loss", value: metrics.loss });
  expect(best!.step).toBeGreaterThan(1);
});

test("--early-stopping-metric takes the task's metrics in either spelling, and is refused with others and without early stopping", async () => {
  const flags = [
    "finetune",
    "--model",
    join(ROWS, "../bert/single"),
    "--train",
    VALIDATION,
    "--validation",
    VALIDATION,
  ];
  const refused = async (...more: string[]) => {
    const { status, stderr } = await bidora(...flags, "--method", "lora", "--eval-every", "1", ...more);
    return [status, stderr.trimEnd().split("\n").at(-1)];
  };
  expect(await refused("--early-stopping", "1", "--early-stopping-metric", "los")).toEqual([
    2,
    expect.stringMatching(
      /--early-stopping-metric takes accuracy, (f1|macroF1), loss for this task; got los\. Did you mean "loss"\?/,
    ),
  ]);
  expect(await refused("--early-stopping-metric", "loss")).toEqual([
    2,
    expect.stringContaining("--early-stopping-metric (applies only with --early-stopping"),
  ]);
});

const REGRESSION = { model: join(ROWS, "../bert/regression"), task: "regression", method: "lora" } as const;

/** Rows that are trained on and evaluated, with such labels. */
function rowsOf(label: (row: number) => number, count = 12) {
  const rows = Array.from("abcdefghijkl".slice(0, count), (sentence, i) =>
    JSON.stringify({ sentence, label: label(i) }),
  );
  const train = write("rows.jsonl", rows.join("\n"));
  return { train, validation: train };
}

describe("a run that has learned nothing says so, and what to change", () => {
  const notLearned = { method: "lora", validation: VALIDATION, dtype: "float32" } as const;
  test.each([
    [
      "few steps",
      { maxSteps: 3, learningRate: 1e-5 },
      /: the run had only 3 optimizer steps; use --max-steps 100, or a smaller --batch-size\.$/,
    ],
    [
      "few epochs",
      { maxSteps: undefined, epochs: 1, learningRate: 1e-5 },
      /the run had only 6 optimizer steps; use --epochs 17, or/,
    ],
    [
      "a large rate",
      { maxSteps: 20, learningRate: 3 },
      /the training loss rose from .* to .*; use a smaller --learning-rate, such as 0\.6\.$/,
    ],
    [
      "a small rate",
      { maxSteps: 100, learningRate: 1e-6 },
      /use a larger --learning-rate, such as 0\.000005, or --max-steps 200\.$/,
    ],
    [
      "no rate, beside an upper level with one",
      { maxSteps: 20, learningRate: 0, upper: "head", upperLearningRate: 1e-6, retrainSteps: 0 },
      /: --learning-rate is 0; use one above 0\.$/,
    ],
  ] as const)("%s", async (_, settings, expected) => {
    const { outcome } = await run({ ...notLearned, ...settings });
    expect(outcome).toEqual([expect.stringMatching(expected)]);
    expect(outcome[0]).toMatch(
      /^The (model predicts the same|validation loss, [\d.]+, is not clearly below [\d.]+, that of predicting)/,
    );
  });

  test("without validation rows, by the training loss", async () => {
    const { outcome } = await run({ method: "lora", maxSteps: 3, learningRate: 1e-5 });
    expect(outcome).toEqual([expect.stringMatching(/^The training loss, [\d.]+, is not clearly below/)]);
  });

  test("after early stopping, that it may wait longer", async () => {
    const { outcome } = await run({ ...WORSE, earlyStoppingMetric: "loss" });
    expect(outcome).toEqual([
      expect.stringMatching(
        /: early stopping ended the training after \d+ of 12 steps; use a larger --early-stopping\.$/,
      ),
    ]);
  });

  test("counts the steps before it was resumed", async () => {
    const settings = { ...notLearned, maxSteps: 100, learningRate: 1e-6, saveEvery: 99, keepCheckpoints: 9 };
    const { output } = await run(settings);
    rmSync(join(output, METRICS));
    rmSync(join(output, "checkpoint-100"), { recursive: true, force: true });
    const { outcome } = await run({ ...settings, output, resume: true });
    expect(outcome).toEqual([expect.stringMatching(/use a larger --learning-rate, such as 0\.000005, or/)]);
  });

  test("with a regression's mean for the labels' frequencies", async () => {
    const { outcome } = await run({ ...REGRESSION, ...rowsOf((i) => 100 + i), maxSteps: 3 });
    expect(outcome).toEqual([expect.stringContaining("that of predicting the labels' mean for every row")]);
  });

  test.each([
    [10, 1],
    [9, 0],
  ])("from ten rows on: %i rows give %i sentences", async (count, sentences) => {
    const { outcome } = await run({ ...REGRESSION, ...rowsOf((i) => 100 + i, count), maxSteps: 3 });
    expect(outcome).toHaveLength(sentences);
  });

  test("but not where all training rows have one label", async () => {
    const { outcome } = await run({ ...REGRESSION, ...rowsOf(() => 5.1), maxSteps: 3 });
    expect(outcome).toEqual([]);
  });

  test("a run that has learned is silent", async () => {
    const { outcome, metrics } = await run({
      ...notLearned,
      method: "full",
      maxSteps: 100,
      learningRate: 1e-3,
      warmupRatio: 0,
    });
    expect(metrics.accuracy).toBeGreaterThan(0.9);
    expect(outcome).toEqual([]);
  });
});

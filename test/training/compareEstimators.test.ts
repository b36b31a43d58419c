import { describe, expect, test } from "vitest";
import { doraConfig, inject } from "../../src/models/adapters/index.js";
import type { HypergradientName } from "../../src/tasks/config/index.js";
import { TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { compareEstimators } from "../../src/training/hypergradients/compareEstimators.js";
import { throughRecordedStep } from "../../src/training/hypergradients/decay.js";
import {
  ESTIMATORS,
  type HypergradientEstimator,
  implicitSecondTerm,
  reference,
} from "../../src/training/hypergradients/estimators.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { planSearch, withLevels } from "../../src/training/loop/plans.js";
import { takeSnapshot } from "../../src/training/steps/trainedTensors.js";
import { openModel } from "../parity/support/adapted.js";
import { planSettings } from "../parity/support/phases.js";
import { encodeRows } from "../parity/support/rows.js";

const CASE = { checkpoint: "dropout", rows: "train", maxLength: 20 };

const SETTINGS = planSettings({
  method: "bidora",
  batchSize: 3,
  shuffle: true,
  seed: 3,
  learningRate: 5e-3,
  upperLearningRate: 5e-3,
  weightDecay: 0.01,
  maxGradNorm: 0.5,
  schedule: "linear",
  warmupRatio: 0.5,
  regularizer: 0.1,
  hypergradient: "forward-difference",
  xi: "optimizer",
  unrollSteps: 2,
  gradientAccumulation: 2,
});

/** A fresh adapter, B being zero, on a model with dropout. */
async function open() {
  const model = await openModel("bert", CASE.checkpoint, "float64");
  const generator = new torch.Generator(1);
  const config = doraConfig({
    rank: 4,
    alpha: 8,
    rslora: false,
    dropout: 0.1,
    targetModules: ["query", "value"],
    rankPattern: {},
    alphaPattern: {},
    modulesToSave: ["classifier"],
    axis: "out",
    normGradient: "full",
  });
  const adapted = inject(model, config, { generator, dtype: "float64" });
  const rows = await encodeRows("bert", CASE);
  const masks = new ReplayableMasks(generator);
  return {
    model,
    adapted,
    rows,
    task: TASKS["sequence-classification"],
    masks,
    ranks: torch.ALONE,
    start: takeSnapshot(adapted.trained),
  } as const;
}

/** The state before a run's fourth step, its rates constant, in a rule that takes this step with `name` or an estimator. */
async function atFourth(name: HypergradientName, estimator?: HypergradientEstimator) {
  const setup = await open();
  const plan = (hypergradient: HypergradientName, other?: HypergradientEstimator) => {
    const constant = { schedule: "constant", warmupRatio: 0, maxSteps: 9 } as const;
    return planSearch(setup, { ...SETTINGS, hypergradient, ...constant }, other).begin();
  };
  const mover = plan(SETTINGS.hypergradient);
  for (let i = 0; i < 3; i++) torch.scope(() => mover.step());
  const rule = plan(name, estimator);
  rule.restore(mover.save());
  return rule;
}

const numbersOf = (tensors: readonly torch.Tensor[]) => tensors.flatMap((tensor) => tensor.toArray());

/** That step's hypergradient. */
async function fourth(name: HypergradientName): Promise<number[]> {
  const rule = await atFourth(name);
  return torch.scope(() => numbersOf(rule.descend().gradients.tensors));
}

/** That step's implicit hypergradient. */
async function solvedFourth(): Promise<number[]> {
  const rule = await atFourth("exact", reference);
  const limits = { tolerance: 1e-10, mostProducts: 20 };
  const { tensors } = await rule.descendWith(
    async (point, v) => (await implicitSecondTerm(point, v, limits, async () => {})).second,
  );
  return numbersOf(tensors);
}

const norm = (vector: readonly number[]) => Math.hypot(...vector);
const minus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value - b[i]!);

test("every estimator is measured at the run's fourth step, independently of the others", async () => {
  const { estimators, implicit, secondOrderShare } = await compareEstimators(await open(), SETTINGS, {
    mostProducts: 20,
  });
  expect(estimators.map(({ name }) => name)).toEqual(Object.keys(ESTIMATORS));

  const exact = await fourth("exact");
  const solved = await solvedFourth();
  const expectNear = (
    found: { cosine: number; relativeError: number },
    g: number[],
    target: number[],
    what: string,
  ) => {
    const product = g.reduce((sum, value, i) => sum + value * target[i]!, 0);
    expect(found.cosine, what).toBeCloseTo(product / (norm(g) * norm(target)), 9);
    expect(found.relativeError / (norm(minus(g, target)) / norm(target)), what).toBeCloseTo(1, 6);
  };
  expectNear(implicit!, solved, exact, "implicit");
  expect(implicit!.relativeError).toBeGreaterThan(0.1);
  for (const { name, target, seconds, ...near } of estimators) {
    expect(target).toBe(name === "neumann" || name === "cg" ? "implicit" : "unrolled");
    const g = await fourth(name);
    if (name !== "exact") expectNear(near, g, target === "implicit" ? solved : exact, name);
    else expect(near.relativeError).toBeLessThan(1e-10);
    expect(seconds).toBeGreaterThan(0);
    if (name === "first-order") {
      expect(secondOrderShare).toBeCloseTo(norm(minus(exact, g)) / norm(exact), 9);
      // Not one of these by chance: the divisor differs from the other norm, and the point from the one where B is zero.
      expect(Math.abs(norm(g) / norm(exact) - 1)).toBeGreaterThan(1e-3);
    }
  }
});

describe("weight decays of an upper level", () => {
  const DECAYS = planSettings({
    ...{ method: "dora", upper: "decay", batchSize: 3, learningRate: 5e-3, upperLearningRate: 0.3, weightDecay: 0.2 },
    ...{ unrollSteps: 2, gradientAccumulation: 2, maxGradNorm: 0.5, warmupRatio: 0, schedule: "constant", maxSteps: 9 },
  });

  test("have one estimator, the formula, which is autograd's through AdamW", async () => {
    const { estimators, notes, ...rest } = await compareEstimators(await open(), DECAYS, { mostProducts: 1 });
    expect(rest).toEqual({});
    expect(notes).toEqual([]);
    expect(estimators).toMatchObject([{ name: "exact", target: "unrolled" }]);
    expect(estimators[0]!.relativeError).toBeLessThan(1e-12);
    expect(estimators[0]!.cosine).toBeCloseTo(1, 12);
  });

  test("have a target whose step is the one that was taken", async () => {
    const setup = withLevels(await open(), DECAYS);
    const rule = planSearch(setup, DECAYS).begin();
    for (let i = 0; i < 2; i++) torch.scope(() => rule.step());
    const { decays, lower } = setup.levels!;
    let worst = Number.POSITIVE_INFINITY;
    await rule.descendWith(async (point, v, update) => {
      const { second, stepped } = throughRecordedStep(decays!, rule.options.lower, { point, v, update });
      worst = Math.max(
        ...stepped.flatMap((tensor, i) => minus(numbersOf([tensor]), numbersOf([lower[i]!.tensor]))).map(Math.abs),
      );
      return second;
    });
    expect(worst).toBeLessThan(1e-14);
  });
});

test("an abort takes effect between two estimators", async () => {
  const controller = new AbortController();
  controller.abort(new Error("enough"));
  await expect(
    compareEstimators(await open(), SETTINGS, { mostProducts: 1, signal: controller.signal }),
  ).rejects.toThrow("enough");
});

test("an abort takes effect between two products of the implicit target", async () => {
  const controller = new AbortController();
  const setup = await open();
  let turns = 0;
  // An interrupt arrives while the event loop turns.
  const timer = setInterval(() => {
    turns += 1;
    if (turns === 5) controller.abort(new Error("enough"));
  });
  try {
    const options = { mostProducts: 100_000, signal: controller.signal };
    await expect(compareEstimators(setup, SETTINGS, options)).rejects.toThrow("enough");
  } finally {
    clearInterval(timer);
  }
});

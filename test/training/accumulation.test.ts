import { beforeAll, describe, expect, test } from "vitest";
import type { HypergradientName } from "../../src/tasks/config/index.js";
import { type EncodedExample, TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { ESTIMATORS } from "../../src/training/hypergradients/estimators.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { planPhases } from "../../src/training/loop/plans.js";
import { gradientsOf } from "../../src/training/steps/batchGradients.js";
import { BilevelRule, type Xi } from "../../src/training/steps/bilevelRule.js";
import type { LevelOptions } from "../../src/training/steps/level.js";
import { PlainRule } from "../../src/training/steps/stepRule.js";
import { takeSnapshot } from "../../src/training/steps/trainedTensors.js";
import { openAdapted } from "../parity/support/adapted.js";
import { ADAMW, ofRole, penaltyOf, WatchedLevel } from "../parity/support/bilevel.js";
import { distance, named } from "../parity/support/compare.js";
import { planSettings } from "../parity/support/phases.js";
import { encodeRows, inOrder } from "../parity/support/rows.js";
import { few } from "../support/few.js";

const OPTIONS: LevelOptions = {
  ...ADAMW,
  learningRate: 2e-3,
  weightDecay: 0.01,
  schedule: "constant",
  warmupRatio: 0,
  steps: 2,
  maxGradNorm: 0.5,
};

/** Batches of unequal weight: a short last one; rows with more labels, fewer, and none at all. */
const PROBLEMS = [
  { task: "sequence-classification", checkpoint: "single", adapter: "adapters/dora-wide", rows: "train", small: 4 },
  { task: "token-classification", checkpoint: "tokens", adapter: "adapters/tokens-dora", rows: "tokens", small: 1 },
] as const;

describe.each(few(PROBLEMS, 3))("$task: several batches per step equal one large batch", (problem) => {
  const { task, small } = problem;
  let rows: EncodedExample[];
  let lower: EncodedExample[];
  let upper: EncodedExample[];

  beforeAll(async () => {
    rows = await encodeRows("bert", { ...problem, maxLength: 20 }, task);
    const half = rows.length / 2;
    [lower, upper] = [rows.slice(0, half), rows.slice(half)];
  });

  const open = () => openAdapted("bert", problem, { dtype: "float64", normGradient: "full" });
  const masks = () => new ReplayableMasks(new torch.Generator(0));

  async function plainSteps(count: number, batchSize: number) {
    const { model, adapted } = await open();
    const level = new WatchedLevel(adapted.trained, OPTIONS);
    const rule = new PlainRule({
      phase: "retrain",
      task: TASKS[task],
      model,
      level,
      batches: inOrder(rows, batchSize),
      masks: masks(),
      ranks: torch.ALONE,
      gradientAccumulation: count,
      penalty: penaltyOf(adapted, 0.1),
    });
    const reports = [rule.step(), rule.step()];
    return { reports, given: level.given, end: takeSnapshot(adapted.trained) };
  }

  test("in a plain step, with the regularizer once", async () => {
    const many = await plainSteps(Math.ceil(rows.length / small), small);
    const one = await plainSteps(1, rows.length);
    expectSameReports(many.reports, one.reports);
    expect(distance(many.given, one.given)).toBeLessThan(1e-10);
    expect(distance(many.end, one.end)).toBeLessThan(1e-10);
  });

  async function searchSteps(name: HypergradientName, xi: Xi, count: number, batchSize: number) {
    const { model, adapted } = await open();
    const level = new WatchedLevel(ofRole(adapted, "magnitude"), OPTIONS);
    const rule = new BilevelRule({
      task: TASKS[task],
      model,
      adapted,
      lower: new WatchedLevel(ofRole(adapted, "direction"), OPTIONS),
      upper: level,
      lowerBatches: inOrder(lower, batchSize),
      upperBatches: inOrder(upper, batchSize),
      masks: masks(),
      ranks: torch.ALONE,
      estimator: ESTIMATORS[name]({ terms: 3 }),
      xi,
      unrollSteps: 2,
      gradientAccumulation: count,
      penalty: penaltyOf(adapted, 0.1),
    });
    const reports = [rule.step(), rule.step()];
    return { reports, given: level.given, end: takeSnapshot(adapted.trained) };
  }

  const cases = (Object.keys(ESTIMATORS) as HypergradientName[]).map((name) => ({ name, xi: 1 as Xi }));

  test.each([...cases, { name: "exact" as const, xi: "optimizer" as const }])(
    "in a search with $name, xi $xi",
    async ({ name, xi }) => {
      const many = await searchSteps(name, xi, Math.ceil(lower.length / small), small);
      const one = await searchSteps(name, xi, 1, lower.length);
      expectSameReports(many.reports, one.reports);
      expect(distance(many.given, one.given)).toBeLessThan(1e-8);
      expect(distance(many.end, one.end)).toBeLessThan(1e-8);
    },
  );
});

test("a step whose batches have no loss still applies decay, momentum and the regularizer", async () => {
  const problem = PROBLEMS[1];
  const { model, adapted } = await openAdapted("bert", problem);
  const at = { file: "none", line: 1 };
  const unlabeled: EncodedExample[] = [{ inputIds: [2, 3], tokenTypeIds: [0, 0], target: [-100, -100], at }];
  const masks = new ReplayableMasks(new torch.Generator(0));
  const penalty = penaltyOf(adapted, 1);
  const expected = named(
    adapted.trained,
    gradientsOf(
      penalty(),
      adapted.trained.map(({ tensor }) => tensor),
    ),
  );
  for (const term of [undefined, penalty]) {
    const level = new WatchedLevel(adapted.trained, { ...OPTIONS, learningRate: 0 });
    const batches = inOrder(unlabeled, 1);
    const rule = new PlainRule({
      phase: "train",
      task: TASKS[problem.task],
      model,
      level,
      batches,
      masks,
      ranks: torch.ALONE,
      gradientAccumulation: 2,
      penalty: term,
    });
    expect(rule.step()).toEqual({ loss: 0, learningRate: 0, rows: 2, tokens: 4 });
    if (term) expect(distance(level.given, expected)).toBeLessThan(1e-6);
    else
      for (const gradient of level.given.values()) expect(gradient.toArray().every((value) => value === 0)).toBe(true);
  }
});

test("all phases of a run accumulate the same number of batches per step", async () => {
  const [problem] = PROBLEMS;
  const { model, adapted } = await openAdapted("bert", problem);
  const rows = await encodeRows("bert", { ...problem, maxLength: 20 });
  const task = TASKS[problem.task];
  const masks = new ReplayableMasks(new torch.Generator(0));
  const setup = { model, adapted, rows, task, masks, ranks: torch.ALONE, start: takeSnapshot(adapted.trained) };
  const plansOf = (settings: Parameters<typeof planSettings>[0]) =>
    planPhases(setup, planSettings({ batchSize: 4, epochs: 2, ...settings }));
  const stepsOf = (settings: Parameters<typeof plansOf>[0]) => plansOf(settings).map(({ steps }) => steps);
  // 22 rows make 6 batches of 4; the lower level's 17 make 5.
  expect(stepsOf({ method: "dora" })).toEqual([12]);
  expect(stepsOf({ method: "dora", dropLast: true })).toEqual([10]);
  expect(stepsOf({ method: "dora", gradientAccumulation: 5 })).toEqual([3]);
  expect(stepsOf({ method: "bidora" })).toEqual([10, 12]);
  expect(stepsOf({ method: "bidora", gradientAccumulation: 3 })).toEqual([4, 4]);
  expect(stepsOf({ method: "bidora", gradientAccumulation: 2, unrollSteps: 2 })).toEqual([3, 6]);
  const rowsOf = plansOf({ method: "bidora", gradientAccumulation: 2 }).map((plan) => plan.begin().step().rows);
  expect(rowsOf).toEqual([8 + 5, 8]);
});

type Report = ReturnType<PlainRule["step"]>;

function expectSameReports(many: readonly Report[], one: readonly Report[]): void {
  for (const [i, { loss, upperLoss, hypergradientNorm, secondOrderShare, ...exact }] of many.entries()) {
    const { loss: oneLoss, upperLoss: oneUpper, hypergradientNorm: oneNorm, ...oneRest } = one[i] as Report;
    const { secondOrderShare: oneShare, ...oneExact } = oneRest;
    expect(exact).toEqual(oneExact);
    expect(loss).toBeCloseTo(oneLoss, 8);
    if (oneUpper !== undefined) expect(upperLoss).toBeCloseTo(oneUpper, 8);
    if (oneNorm !== undefined) expect(hypergradientNorm! / oneNorm).toBeCloseTo(1, 8);
    if (oneShare !== undefined) expect(secondOrderShare! / oneShare).toBeCloseTo(1, 7);
  }
}

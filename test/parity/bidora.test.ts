import { expect, test } from "vitest";
import { splitForSearch } from "../../src/data/index.js";
import * as torch from "../../src/torch/index.js";
import { BilevelRule } from "../../src/train/bilevelRule.js";
import { ESTIMATORS } from "../../src/train/hypergradients/index.js";
import { Level, type LevelOptions } from "../../src/train/level.js";
import { ReplayableMasks } from "../../src/train/masks.js";
import { PlainRule } from "../../src/train/plainRule.js";
import type { StepReport, StepRule } from "../../src/train/stepRule.js";
import { type Adapted, openAdapted, trainedTensors } from "./support/adapted.js";
import { ofRole, penaltyOf } from "./support/bilevel.js";
import { type BilevelCase, casesOf, goldenTensors, type SearchSettings, section } from "./support/cases.js";
import { expectLog, updateError } from "./support/compare.js";
import { encodeRows, inOrder } from "./support/rows.js";

type Rows = Awaited<ReturnType<typeof encodeRows>>;

const masks = new ReplayableMasks(new torch.Generator(0));

function levelOptions(settings: SearchSettings, changes: Partial<LevelOptions> = {}): LevelOptions {
  const { schedule, warmupRatio, learningRate, weightDecay, maxSteps: steps } = settings;
  const adam = { beta1: settings.adamBeta1, beta2: settings.adamBeta2, epsilon: settings.adamEpsilon };
  return { ...adam, schedule, warmupRatio, learningRate, weightDecay, steps, maxGradNorm: undefined, ...changes };
}

function searchRule({ model, adapted }: Adapted, rows: Rows, settings: SearchSettings): BilevelRule {
  const { batchSize, searchFraction, upperLearningRate, upperWeightDecay, terms } = settings;
  const split = splitForSearch(rows.length, { fraction: searchFraction, shuffle: false, seed: 0 });
  const upper = levelOptions(settings, { learningRate: upperLearningRate, weightDecay: upperWeightDecay });
  return new BilevelRule({
    model,
    adapted,
    lower: new Level(ofRole(adapted, "direction"), levelOptions(settings)),
    upper: new Level(ofRole(adapted, "magnitude"), upper),
    lowerBatches: inOrder(
      split.lower.map((row) => rows[row]!),
      batchSize,
    ),
    upperBatches: inOrder(
      split.upper.map((row) => rows[row]!),
      batchSize,
    ),
    masks,
    estimator: ESTIMATORS[settings.hypergradient]({ terms }),
    xi: settings.xi,
    unrollSteps: 1,
    penalty: penaltyOf(adapted, settings.regularizer),
  });
}

function retrainRule({ model, adapted }: Adapted, rows: Rows, settings: SearchSettings): PlainRule {
  const options = levelOptions(settings, { learningRate: settings.retrainLearningRate, steps: settings.retrainSteps });
  return new PlainRule({
    phase: "retrain",
    model,
    level: new Level(ofRole(adapted, "direction"), options),
    batches: inOrder(rows, settings.batchSize),
    masks,
    gradientAccumulation: 1,
    penalty: penaltyOf(adapted, settings.regularizer),
  });
}

function runAll(rule: StepRule): StepReport[] {
  return Array.from({ length: rule.steps }, () => torch.scope(() => rule.step()));
}

/** Puts V back to where the run began; M stays. */
function restoreDirections({ adapted }: Adapted, start: ReadonlyMap<string, torch.Tensor>): void {
  torch.noGrad(() => {
    for (const { name, tensor } of ofRole(adapted, "direction")) torch.copy_(tensor, start.get(name)!);
  });
}

function expectLogs(reports: readonly StepReport[], log: BilevelCase["log"]["search" | "retrain"]): void {
  for (const key of ["loss", "upperLoss", "hypergradientNorm", "learningRate"] as const) {
    const expected = log.map((entry) => (entry as Partial<StepReport>)[key]);
    if (expected[0] === undefined) continue;
    expectLog(
      reports.map((report) => report[key] as number),
      expected as number[],
      1e-4,
      key,
    );
  }
}

test.each(casesOf("bidora"))(
  "$family $name: search and retrain",
  async ({ family, file, axis, normGradient, settings, log, ...entry }) => {
    const golden = goldenTensors(family, file);
    const problem = await openAdapted(family, entry, { axis, normGradient, start: section(golden, "start") });
    const rows = await encodeRows(family, { ...entry, maxLength: settings.maxLength });
    const start = trainedTensors(problem.adapted);

    expectLogs(runAll(searchRule(problem, rows, settings)), log.search);
    const searched = trainedTensors(problem.adapted);
    expect(updateError(start, searched, section(golden, "search"))).toBeLessThan(1e-3);
    if (settings.retrainSteps === 0) return;

    restoreDirections(problem, start);
    expectLogs(runAll(retrainRule(problem, rows, settings)), log.retrain);
    const directions = ofRole(problem.adapted, "direction").map(({ name }) => name);
    const of = (tensors: ReadonlyMap<string, torch.Tensor>) =>
      new Map(directions.map((name) => [name, tensors.get(name)!]));
    const ended = trainedTensors(problem.adapted);
    expect(updateError(of(start), of(ended), section(golden, "final"))).toBeLessThan(1e-3);
    for (const { name } of ofRole(problem.adapted, "magnitude")) {
      expect(torch.equal(ended.get(name)!, searched.get(name)!), name).toBe(true);
    }
  },
);

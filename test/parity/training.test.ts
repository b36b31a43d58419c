import { expect, test } from "vitest";
import * as torch from "../../src/torch/index.js";
import { Level } from "../../src/train/level.js";
import { ReplayableMasks } from "../../src/train/masks.js";
import { PlainRule } from "../../src/train/plainRule.js";
import { openAdapted, trainedTensors } from "./support/adapted.js";
import { casesOf, goldenTensors, type TrainingSettings, withoutPrefix } from "./support/cases.js";
import { expectLog, updateError } from "./support/compare.js";
import { encodeRows, inOrder } from "./support/rows.js";

function levelOptions(settings: TrainingSettings) {
  return {
    learningRate: settings.learningRate,
    schedule: settings.schedule,
    warmupRatio: settings.warmupRatio,
    steps: settings.maxSteps,
    maxGradNorm: settings.maxGradNorm ?? undefined,
    beta1: settings.adamBeta1,
    beta2: settings.adamBeta2,
    epsilon: settings.adamEpsilon,
    weightDecay: settings.weightDecay,
  };
}

test.each(casesOf("training"))("$family $name: twelve steps", async ({ family, file, settings, ...entry }) => {
  const { model, adapted } = await openAdapted(family, entry);
  const rows = await encodeRows(family, { ...entry, maxLength: settings.maxLength });
  const start = trainedTensors(adapted);
  const rule = new PlainRule({
    phase: "train",
    model,
    level: new Level(adapted.trained, levelOptions(settings)),
    batches: inOrder(rows, settings.batchSize),
    masks: new ReplayableMasks(new torch.Generator(0)),
    gradientAccumulation: settings.gradientAccumulation,
    penalty: undefined,
  });

  const reports = Array.from({ length: rule.steps }, () => torch.scope(() => rule.step()));

  expect(reports.length).toBe(12);
  expectLog(
    reports.map(({ loss }) => loss),
    entry.losses,
    1e-5,
    "loss",
  );
  expectLog(
    reports.map(({ learningRate }) => learningRate),
    entry.learningRates,
    1e-12,
    "learning rate",
  );
  expect(updateError(start, trainedTensors(adapted), withoutPrefix(goldenTensors(family, file)))).toBeLessThan(1e-3);
});

import { beforeAll, describe, expect, test } from "vitest";
import { doraConfig, inject } from "../../src/models/adapters/index.js";
import type { RunSettings } from "../../src/tasks/config/index.js";
import { type EncodedExample, TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { scheduleFactor } from "../../src/torch/optim/index.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { planPhases } from "../../src/training/loop/plans.js";
import type { BilevelRule } from "../../src/training/steps/bilevelRule.js";
import { restoreSnapshot, type Snapshot, takeSnapshot } from "../../src/training/steps/trainedTensors.js";
import { openAdapted, openModel } from "../parity/support/adapted.js";
import { ofRole } from "../parity/support/bilevel.js";
import { planSettings } from "../parity/support/phases.js";
import { encodeRows } from "../parity/support/rows.js";

const CASE = { checkpoint: "single", adapter: "adapters/dora-wide", rows: "train", maxLength: 20 };
let rows: EncodedExample[];
beforeAll(async () => {
  rows = await encodeRows("bert", CASE);
});

async function plansOf(settings: RunSettings) {
  const { model, adapted } = await openAdapted("bert", CASE, { normGradient: "full" });
  const masks = new ReplayableMasks(new torch.Generator(0));
  const start = takeSnapshot(adapted.trained);
  const setup = {
    model,
    adapted,
    rows,
    task: TASKS["sequence-classification"],
    masks,
    ranks: torch.ALONE,
    start,
  } as const;
  return { adapted, masks, start, plans: planPhases(setup, planSettings({ method: "bidora", ...settings })) };
}

const valuesOf = (snapshot: Snapshot) => new Map([...snapshot].map(([name, tensor]) => [name, [...tensor.toArray()]]));

test("the lower schedule counts every lower step, other schedules their own steps", async () => {
  const settings = { learningRate: 1e-3, retrainLearningRate: 5e-3, warmupRatio: 0.25, schedule: "cosine" } as const;
  const { plans } = await plansOf({ ...settings, maxSteps: 3, unrollSteps: 4, retrainSteps: 4 });
  const [search, retrain] = plans.map((plan) => {
    const rule = plan.begin();
    expect(rule.steps).toBe(plan.steps);
    return Array.from({ length: plan.steps }, () => torch.scope(() => rule.step().learningRate));
  });
  // The last of the four lower steps is the one that is reported.
  expect(search).toEqual([3, 7, 11].map((t) => 1e-3 * scheduleFactor("cosine", t, 12, 0.25)));
  expect(retrain).toEqual([0, 1, 2, 3].map((t) => 5e-3 * scheduleFactor("cosine", t, 4, 0.25)));
});

test("a search step reports the loss before its last lower step", async () => {
  const lossesOf = async (unrollSteps: number, maxSteps: number) => {
    const rates = { schedule: "constant", warmupRatio: 0, learningRate: 1e-2, upperLearningRate: 0 } as const;
    const { plans } = await plansOf({ batchSize: 22, maxSteps, unrollSteps, ...rates });
    const rule = plans[0]!.begin();
    return Array.from({ length: maxSteps }, () => torch.scope(() => rule.step().loss));
  };
  const [first, , third] = await lossesOf(1, 3);
  const [unrolled] = await lossesOf(3, 1);
  expect(unrolled).toBeCloseTo(third!, 6);
  expect(Math.abs(third! - first!)).toBeGreaterThan(1e-4);
});

test("second derivatives leave out a regularizer that covers no layer", async () => {
  const model = await openModel("bert", CASE.checkpoint, "float32");
  const generator = new torch.Generator(0);
  const adapted = inject(model, doraConfig({ targetModules: ["word_embeddings"] }), { generator, dtype: "float32" });
  const [masks, start] = [new ReplayableMasks(generator), takeSnapshot(adapted.trained)];
  const setup = {
    model,
    adapted,
    rows,
    task: TASKS["sequence-classification"],
    masks,
    ranks: torch.ALONE,
    start,
  } as const;
  const normOf = (regularizer: number) => {
    const settings = planSettings({ method: "bidora", hypergradient: "cg", maxSteps: 1, regularizer });
    return torch.scope(() => planPhases(setup, settings)[0]!.begin().step().hypergradientNorm);
  };
  expect(normOf(0.1)).toBe(normOf(0));
});

test("only DoRA and BiDoRA have the regularizer", async () => {
  const afterStep = async (method: "lora" | "dora", regularizer: number) => {
    const { model, adapted } = await openAdapted("bert", CASE);
    const [masks, start] = [new ReplayableMasks(new torch.Generator(0)), takeSnapshot(adapted.trained)];
    const settings = planSettings({ method, learningRate: 1e-2, maxSteps: 1, regularizer });
    const setup = { model, adapted, rows, task: TASKS["sequence-classification"], masks, ranks: torch.ALONE, start };
    torch.scope(() => planPhases(setup, settings)[0]!.begin().step());
    return valuesOf(takeSnapshot(adapted.trained));
  };
  expect(await afterStep("lora", 1)).toEqual(await afterStep("lora", 0));
  expect(await afterStep("dora", 1)).not.toEqual(await afterStep("dora", 0));
});

describe("levels", () => {
  test.each([
    { learningRate: 0, upperLearningRate: 1e-2, moved: "magnitude" },
    { learningRate: 1e-2, upperLearningRate: 0, moved: "direction" },
  ] as const)("of the search have their own learning rate: $moved", async ({ moved, ...rates }) => {
    const { adapted, plans, start } = await plansOf({ ...rates, maxSteps: 1 });
    torch.scope(() => plans[0]!.begin().step());
    const [before, after] = [valuesOf(start), valuesOf(takeSnapshot(adapted.trained))];
    for (const { name, role } of adapted.trained) {
      if (role === moved) expect(after.get(name), name).not.toEqual(before.get(name));
      else expect(after.get(name), name).toEqual(before.get(name));
    }
  });

  test("have their own weight decay", async () => {
    const norms = async (settings: RunSettings) => {
      const { adapted, plans } = await plansOf({
        learningRate: 1e-2,
        upperLearningRate: 1e-2,
        maxSteps: 1,
        ...settings,
      });
      torch.scope(() => plans[0]!.begin().step());
      return (["direction", "magnitude"] as const).map((role) =>
        torch.noGrad(() => ofRole(adapted, role).reduce((sum, { tensor }) => sum + torch.norm(tensor).item() ** 2, 0)),
      ) as [number, number];
    };
    const [plain, lower, upper] = [
      await norms({}),
      await norms({ weightDecay: 1 }),
      await norms({ upperWeightDecay: 1 }),
    ];
    expect(lower[0]).toBeLessThan(plain[0]);
    expect(lower[1] / plain[1]).toBeGreaterThan(0.99);
    expect(upper[0]).toBe(plain[0]);
    expect(upper[1]).toBeLessThan(plain[1]);
  });
});

test.each<[RunSettings, lower: number, upper: number]>([
  [{ optimizer: "lion" }, 0.99, 0.999],
  [{ optimizer: "lion", adamBeta2: 0.95 }, 0.95, 0.95],
  [{ optimizer: "adamw8bit", adamBeta2: 0.9 }, 0.9, 0.9],
  [{ optimizer: "sgd" }, 0.999, 0.999],
])("the AdamW of trained weight decays has its own beta2, or a given one: %o", async (settings, ofLower, ofUpper) => {
  const trained = { method: "dora", upper: "decay", weightDecay: 0.1, maxSteps: 1 } as const;
  const { plans } = await plansOf({ ...trained, ...settings });
  const { lower, upper } = (plans[0]!.begin() as BilevelRule).options;
  expect(lower.options).toMatchObject({ optimizer: settings.optimizer, adamBeta2: ofLower });
  expect(upper.options).toMatchObject({ optimizer: "adamw", adamBeta2: ofUpper, adamEpsilon: 1e-8 });
});

describe("the retraining", () => {
  test("starts from the run's starting point, including the head, except that magnitudes stay", async () => {
    const { adapted, plans, start } = await plansOf({
      learningRate: 1e-2,
      upperLearningRate: 1e-2,
      retrainLearningRate: 1e-2,
      maxSteps: 2,
      retrainSteps: 2,
    });
    const search = plans[0]!.begin();
    for (let i = 0; i < 2; i++) torch.scope(() => search.step());
    const searched = valuesOf(takeSnapshot(adapted.trained));
    const began = valuesOf(start);
    const retrain = plans[1]!.begin();
    const [directions, magnitudes] = [ofRole(adapted, "direction"), ofRole(adapted, "magnitude")];
    expect(directions.some(({ name }) => name.startsWith("classifier"))).toBe(true);
    for (const { name, tensor } of directions) {
      expect(searched.get(name), name).not.toEqual(began.get(name));
      expect([...tensor.toArray()], name).toEqual(began.get(name));
    }
    torch.scope(() => retrain.step());
    for (const { name, tensor } of magnitudes) {
      expect(tensor.requiresGrad, name).toBe(false);
      expect([...tensor.toArray()], name).toEqual(searched.get(name));
      expect(searched.get(name), name).not.toEqual(began.get(name));
    }
    for (const { name, tensor } of directions) expect([...tensor.toArray()], name).not.toEqual(began.get(name));
  });

  test("with a warm start continues from the search's result, with a new optimizer and its own schedule", async () => {
    const settings = {
      learningRate: 1e-2,
      upperLearningRate: 1e-2,
      retrainLearningRate: 1e-2,
      warmStart: true,
    } as const;
    const { adapted, plans, start } = await plansOf({ ...settings, batchSize: 22, maxSteps: 4, retrainSteps: 2 });
    const search = plans[0]!.begin();
    for (let i = 0; i < 4; i++) torch.scope(() => search.step());
    const searched = valuesOf(takeSnapshot(adapted.trained));
    const retrain = plans[1]!.begin();
    expect(valuesOf(takeSnapshot(adapted.trained))).toEqual(searched);
    const { values, tensors } = retrain.save();
    expect(values).toEqual({ steps: 0, batches: { pass: 0, index: 0 } });
    for (const tensor of tensors.values()) expect(tensor.toArray().every((value) => value === 0)).toBe(true);
    const { loss, learningRate, rows: count } = torch.scope(() => retrain.step());
    expect([learningRate, count]).toEqual([1e-2, 22]);
    for (const { name, tensor, role } of adapted.trained) {
      if (role === "magnitude") expect([...tensor.toArray()], name).toEqual(searched.get(name));
      else expect([...tensor.toArray()], name).not.toEqual(searched.get(name));
    }

    // The loss of all rows by what the search ended with, and not by the start.
    const lossBy = async (kept: Snapshot) => {
      const other = await plansOf({ ...settings, method: "dora", batchSize: 22, maxSteps: 1 });
      restoreSnapshot(other.adapted.trained, kept);
      return torch.scope(() => other.plans[0]!.begin().step().loss);
    };
    const asTensors = new Map(
      adapted.trained.map(({ name, tensor }) => [name, torch.reshape(torch.tensor(searched.get(name)!), tensor.shape)]),
    );
    expect(loss).toBe(await lossBy(asTensors));
    expect(loss).not.toBeCloseTo(await lossBy(start), 3);
  });

  test("has a new optimizer, continues the random numbers, and trains on all rows from the first pass on", async () => {
    const { plans, masks } = await plansOf({ batchSize: 22, maxSteps: 1, retrainSteps: 1 });
    torch.scope(() => plans[0]!.begin().step());
    const mark = Buffer.from(masks.mark());
    const retrain = plans[1]!.begin();
    expect(Buffer.from(masks.mark()).equals(mark)).toBe(true);
    const { values, tensors } = retrain.save();
    expect(values).toEqual({ steps: 0, batches: { pass: 0, index: 0 } });
    for (const tensor of tensors.values()) expect(tensor.toArray().every((value) => value === 0)).toBe(true);
    expect(torch.scope(() => retrain.step()).rows).toBe(22);
  });

  test("has the configured length", async () => {
    const lengths = async (settings: RunSettings) =>
      (await plansOf({ batchSize: 4, epochs: 2, ...settings })).plans.map(({ phase, steps }) => [phase, steps]);
    const search = ["search", 10];
    expect(await lengths({})).toEqual([search, ["retrain", 12]]);
    expect(await lengths({ dropLast: true })).toEqual([
      ["search", 8],
      ["retrain", 10],
    ]);
    expect(await lengths({ retrainEpochs: 0.5 })).toEqual([search, ["retrain", 3]]);
    expect(await lengths({ retrainEpochs: 0.01 })).toEqual([search, ["retrain", 1]]);
    expect(await lengths({ retrainEpochs: 0 })).toEqual([search]);
    expect(await lengths({ retrainSteps: 0 })).toEqual([search]);
    expect(await lengths({ maxSteps: 7, retrainSteps: 5, retrainEpochs: 9 })).toEqual([
      ["search", 7],
      ["retrain", 5],
    ]);
    expect(await lengths({ method: "dora", maxSteps: 7 })).toEqual([["train", 7]]);
  });
});

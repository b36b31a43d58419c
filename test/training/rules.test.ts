import { beforeAll, describe, expect, test } from "vitest";
import type { SeededMasks } from "../../src/models/nn/index.js";
import type { RunSettings } from "../../src/tasks/config/index.js";
import { type EncodedExample, TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { OPTIMIZERS, type OptimizerName } from "../../src/torch/optim/index.js";
import { BatchStream } from "../../src/training/loop/batches.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { planPhases } from "../../src/training/loop/plans.js";
import { BilevelRule } from "../../src/training/steps/bilevelRule.js";
import { Level, savedForms } from "../../src/training/steps/level.js";
import { PlainRule, type RuleState, type StepRule } from "../../src/training/steps/stepRule.js";
import { restoreSnapshot, takeSnapshot } from "../../src/training/steps/trainedTensors.js";
import { openAdapted } from "../parity/support/adapted.js";
import { planSettings } from "../parity/support/phases.js";
import { encodeRows } from "../parity/support/rows.js";
import { expectSameBits } from "../torch/sameBits.js";

const CASE = { checkpoint: "dropout", adapter: "dropout-runs/dora-dropout", rows: "train", maxLength: 20 };
let rows: EncodedExample[];
beforeAll(async () => {
  rows = await encodeRows("bert", CASE);
});

async function open(method: "dora" | "bidora", more: RunSettings = {}) {
  const { model, adapted } = await openAdapted("bert", CASE, { normGradient: "full" });
  const masks = new ReplayableMasks(new torch.Generator(0));
  const setup = {
    model,
    adapted,
    rows,
    task: TASKS["sequence-classification"],
    masks,
    ranks: torch.ALONE,
    start: takeSnapshot(adapted.trained),
  };
  const settings = {
    method,
    batchSize: 3,
    shuffle: true,
    maxSteps: 8,
    learningRate: 1e-2,
    upperLearningRate: 1e-2,
    unrollSteps: 2,
  };
  const plans = planPhases(
    { ...setup, task: TASKS["sequence-classification"] },
    planSettings({ ...settings, maxGradNorm: 1, ...more }),
  );
  return { adapted, masks, rule: plans[0]!.begin() };
}

const steps = (rule: StepRule, count: number) => Array.from({ length: count }, () => torch.scope(() => rule.step()));

/** The contents of a checkpoint, without the trained tensors. */
const copy = ({ tensors, values }: RuleState): RuleState => ({
  tensors: new Map([...tensors].map(([name, tensor]) => [name, torch.keep(torch.noGrad(() => torch.clone(tensor)))])),
  values: JSON.parse(JSON.stringify(values)),
});

const optimizers = Object.keys(OPTIMIZERS) as OptimizerName[];
const rules = (["dora", "bidora"] as const).flatMap((method) => optimizers.map((optimizer) => ({ method, optimizer })));

describe.each(rules)("the state of $method's rule with $optimizer", ({ method, optimizer }) => {
  test("restored into a new rule, continues with the same bits", async () => {
    const through = await open(method, { optimizer });
    steps(through.rule, 3);
    const state = copy(through.rule.save());
    const [trained, mark] = [takeSnapshot(through.adapted.trained), through.masks.mark()];
    const expected = steps(through.rule, 4);

    const resumed = await open(method, { optimizer });
    resumed.rule.restore(state);
    restoreSnapshot(resumed.adapted.trained, trained);
    resumed.masks.generator.setState(mark);
    expect(steps(resumed.rule, 4)).toEqual(expected);
    const [whole, gone] = [through, resumed].map(({ adapted }) => takeSnapshot(adapted.trained));
    expect([...gone!.keys()]).toEqual([...whole!.keys()]);
    for (const [name, tensor] of whole!) expectSameBits(gone!.get(name)!, tensor, name);
  });

  test("is refused if anything is missing", async () => {
    const { rule } = await open(method, { optimizer });
    const { tensors, values } = rule.save();
    const [first] = tensors.keys();
    const rest = new Map([...tensors].filter(([name]) => name !== first));
    expect(() => rule.restore({ tensors: rest, values })).toThrow(`for ${first}`);
  });
});

test("a step with a finite loss but a non-finite gradient changes nothing", async () => {
  const { rule, adapted } = await open("dora");
  const penalty = () => torch.sqrt(torch.mulScalar(torch.sum(adapted.trained[0]!.tensor), 0));
  const broken = new PlainRule({ ...(rule as PlainRule).options, penalty });
  const values = () => [...takeSnapshot(adapted.trained)].map(([, tensor]) => [...tensor.toArray()]);
  const before = values();
  expect(() => torch.scope(() => broken.step())).toThrow("The gradient's norm is not a number");
  expect(values()).toEqual(before);
});

test("a lower step with a non-finite gradient changes nothing", async () => {
  const { rule, adapted } = await open("bidora");
  const [direction] = adapted.trained.filter(({ role }) => role === "direction");
  const penalty = () => torch.sqrt(torch.mulScalar(torch.sum(direction!.parameter.tensor), 0));
  const broken = new BilevelRule({ ...(rule as BilevelRule).options, unrollSteps: 1, penalty });
  const values = () => [...takeSnapshot(adapted.trained)].map(([, tensor]) => [...tensor.toArray()]);
  const before = values();
  expect(() => torch.scope(() => broken.step())).toThrow("The gradient's norm is not a number");
  expect(values()).toEqual(before);
});

test("the second-order share is the norm of the second term divided by that of the hypergradient", async () => {
  const hypergradient = async (name: "exact" | "first-order") => {
    const { rule } = await open("bidora", { hypergradient: name, xi: 50, unrollSteps: 1 });
    const { report, gradients } = (rule as BilevelRule).descend();
    return { report, values: gradients.tensors.flatMap((tensor) => [...tensor.toArray()].map(Number)) };
  };
  const [whole, first] = [await hypergradient("exact"), await hypergradient("first-order")];
  const length = (values: readonly number[]) => Math.hypot(...values);
  const second = length(first.values.map((value, i) => value - whole.values[i]!));
  expect(second).toBeGreaterThan(0.01 * length(whole.values));
  expect(whole.report.secondOrderShare! / (second / length(whole.values))).toBeCloseTo(1, 4);
  expect(first.report.hypergradientNorm).toBeGreaterThan(0);
  expect("secondOrderShare" in first.report).toBe(false);
});

test("the derivative of a step of SGD is its learning rate times the clipping factor", async () => {
  const normsBy = async (more: RunSettings) => {
    const settings = { optimizer: "sgd", momentum: 0.5, learningRate: 0.1, unrollSteps: 1, ...more } as const;
    const { rule } = await open("bidora", settings);
    return steps(rule, 3).map(({ hypergradientNorm }) => hypergradientNorm!);
  };
  const [byRate, byDerivative] = [await normsBy({ xi: "learning-rate" }), await normsBy({ xi: "optimizer" })];
  expect(byDerivative).not.toEqual(byRate);
  const free = { maxGradNorm: 1e6 };
  expect(await normsBy({ xi: "optimizer", ...free })).toEqual(await normsBy({ xi: "learning-rate", ...free }));
});

test.each(optimizers)("%s saves the tensors that a checkpoint is checked for", async (optimizer) => {
  const { adapted } = await open("dora");
  for (const momentum of [0.9, 0]) {
    const options = { ...planSettings({ optimizer, momentum }), steps: 1 };
    const { tensors } = new Level(adapted.trained, options).save();
    const saved = [...tensors].map(([name, { shape, dtype }]) => [name, { shape, dtype }]);
    expect(adapted.trained.flatMap((member) => savedForms(member, options))).toEqual(saved);
  }
});

test.each(optimizers.filter((name) => !OPTIMIZERS[name].derivative))(
  "%s has no derivative to weight by",
  async (optimizer) => {
    const { rule } = await open("bidora", { optimizer, xi: "optimizer" });
    expect(() => torch.scope(() => rule.step())).toThrow(`${optimizer} has no derivative`);
  },
);

test("every pass has its own masks; a replayed pass has the same, and later passes continue the sequence", () => {
  const masks = new ReplayableMasks(new torch.Generator(0));
  const seed = () => (masks.training().masks as SeededMasks).seed;
  const mark = masks.mark();
  const drawn = [seed(), seed()];
  expect(drawn[0]).not.toBe(drawn[1]);
  expect(masks.replay(mark, () => [seed(), seed()])).toEqual(drawn);
  const next = seed();
  expect(drawn).not.toContain(next);
  const again = new ReplayableMasks(new torch.Generator(0));
  again.replay(again.mark(), () => again.training());
  expect([1, 2, 3].map(() => (again.training().masks as SeededMasks).seed)).toEqual([...drawn, next]);
});

test.each([
  ["dora, by a pass of 8 batches", "dora", { warmupRatio: 0.25 }, 2, 8],
  ["dora, by a warm-up of 12 steps", "dora", { warmupRatio: 0.75 }, 2, 13],
  ["dora, without a warm-up", "dora", { warmupRatio: 0 }, 1, 8],
  ["bidora, by its upper level's warm-up of 4 steps", "bidora", { warmupRatio: 0.25 }, 1, 5],
  ["bidora, by a pass of 6 batches", "bidora", { warmupRatio: 0, unrollSteps: 1, hypergradient: "first-order" }, 1, 6],
] as const)("a rule has moved, and is settled, from a step on: %s", async (_, method, settings, moved, settled) => {
  const { rule } = await open(method, { maxSteps: 16, ...settings });
  const states = Array.from({ length: 14 }, () => {
    torch.scope(() => rule.step());
    return [rule.hasMoved, rule.isSettled];
  });
  expect(states.findIndex(([isMoved]) => isMoved) + 1).toBe(moved);
  expect(states.findIndex(([, isSettled]) => isSettled) + 1).toBe(settled);
  expect(states.at(-1)).toEqual([true, true]);
});

test("a rule with a learning rate of 0 never moves", async () => {
  const { rule } = await open("dora", { learningRate: 0 });
  steps(rule, 3);
  expect(rule.hasMoved).toBe(false);
});

test("rows of similar length share a batch when they are shuffled", () => {
  const mixed = Array.from({ length: 40 }, (_, i): EncodedExample => {
    const length = i % 2 ? 30 : 2;
    return { inputIds: new Array(length).fill(1), tokenTypeIds: [], target: 0, at: { file: "none", line: 1 } };
  });
  const stream = new BatchStream(mixed, {
    batchSize: 4,
    shuffle: true,
    dropLast: false,
    seed: 1,
  });
  for (let i = 0; i < stream.batchesPerPass; i++) expect(new Set(stream.next().own!.layout.lengths).size).toBe(1);
});

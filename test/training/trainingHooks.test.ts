import { beforeAll, expect, test } from "vitest";
import {
  type AdaptedModel,
  Adapter,
  type FinishedStep,
  inject,
  type LayerPart,
  TARGET_DEFAULTS,
  type TargetedConfig,
  type TrainingHooks,
  targetSlots,
} from "../../src/models/adapters/index.js";
import type { Linear, Parameter } from "../../src/models/nn/index.js";
import type { RunSettings } from "../../src/tasks/config/index.js";
import { type EncodedExample, TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { planPhases } from "../../src/training/loop/plans.js";
import type { RuleState } from "../../src/training/steps/stepRule.js";
import { restoreSnapshot, takeSnapshot } from "../../src/training/steps/trainedTensors.js";
import { openModel } from "../parity/support/adapted.js";
import { planSettings } from "../parity/support/phases.js";
import { encodeRows } from "../parity/support/rows.js";
import { expectSameBits } from "../torch/sameBits.js";

let rows: EncodedExample[];
beforeAll(async () => {
  rows = await encodeRows("bert", { checkpoint: "single", rows: "train", maxLength: 20 });
});

/** y = W0·x + b + P·diag(e)·Q·x: AdaLoRA's form. */
class Triplets extends Adapter {
  readonly rank = 4;
  readonly dtype = "float32";

  constructor(readonly parts: ReadonlyMap<string, Parameter>) {
    super();
  }

  forward(x: torch.Tensor, layer: Linear): torch.Tensor {
    const [p, e, q] = ["p", "e", "q"].map((name) => this.parts.get(name)!.tensor);
    const inner = torch.mul(torch.matmul(x, torch.t(q!)), e!);
    return torch.add(layer.base(x), torch.matmul(inner, torch.t(p!)));
  }

  mergedWeight(): never {
    throw new Error("not asked for");
  }
}

const normal = (shape: number[]) => ({
  shape,
  start: ({ dtype, generator }: { dtype: torch.DType; generator: torch.Generator }) =>
    torch.normal_(torch.empty(shape, { dtype }), 0, 0.1, { generator }),
});

const singularValues = ({ trained }: AdaptedModel) => trained.filter(({ name }) => name.endsWith(".e"));

/** ‖QQᵀ − I‖² over all layers. */
function penaltyOf({ trained }: AdaptedModel): torch.Tensor {
  const terms = trained
    .filter(({ name }) => name.endsWith(".q"))
    .map(({ tensor }) => {
      const gram = torch.matmul(tensor, torch.t(tensor));
      return torch.sum(torch.square(torch.sub(gram, torch.eye(4))));
    });
  return terms.reduce((sum, term) => torch.add(sum, term));
}

/** Remembers a mean of |e·gradient| and zeroes the half of all singular values that matters least. */
function hooksOf(adapted: AdaptedModel, seen: FinishedStep[]): TrainingHooks {
  const memory = new Map(singularValues(adapted).map(({ name }) => [name, torch.keep(torch.zeros([4]))]));
  return {
    memory,
    penalty: () => penaltyOf(adapted),
    afterStep(step) {
      seen.push({ ...step, gradients: new Map([...step.gradients].map(([k, g]) => [k, torch.keep(torch.clone(g))])) });
      for (const { name, tensor } of singularValues(adapted)) {
        const importance = memory.get(name)!;
        const now = torch.abs(torch.mul(tensor, step.gradients.get(name)!));
        torch.copy_(importance, torch.add(torch.mulScalar(importance, 0.9), torch.mulScalar(now, 0.1)));
        const least = [...importance.toArray()].sort((a, b) => a - b)[1]!;
        torch.copy_(
          tensor,
          torch.mul(tensor, torch.tensor(Array.from(importance.toArray(), (v) => Number(v > least)))),
        );
      }
    },
  };
}

async function open(settings: RunSettings = {}) {
  const seen: FinishedStep[] = [];
  const layers: LayerPart<TargetedConfig> = {
    findSlots: targetSlots,
    tensors: (slot) => [
      { name: "p", ...normal([slot.out, 4]) },
      { name: "e", ...normal([4]) },
      { name: "q", ...normal([4, slot.in]) },
    ],
    build: (_slot, _config, parameters) => new Triplets(parameters),
    trainingHooks: (adapted) => hooksOf(adapted, seen),
    facts: () => ({ rank: 4 }),
  };
  const model = await openModel("bert", "single");
  const config = { ...TARGET_DEFAULTS, method: "triplets", targetModules: ["query"] };
  const adapted = inject(model, config, { generator: new torch.Generator(0), layers });
  const masks = new ReplayableMasks(new torch.Generator(0));
  const setup = {
    model,
    adapted,
    rows,
    task: TASKS["sequence-classification"],
    masks,
    ranks: torch.ALONE,
    start: takeSnapshot([]),
  };
  const plan = () =>
    planPhases(setup, planSettings({ method: "lora", batchSize: 3, maxSteps: 6, learningRate: 1e-2, ...settings }));
  return { adapted, seen, plan };
}

const steps = (rule: { step(): unknown }, count: number) =>
  Array.from({ length: count }, () => torch.scope(() => rule.step()));

const gradientOfQ = async (settings: RunSettings, without = false) => {
  const { adapted, seen, plan } = await open(settings);
  if (without) Object.assign(adapted.hooks!, { penalty: undefined });
  steps(plan()[0]!.begin(), 1);
  const [name] = [...seen[0]!.gradients.keys()].filter((key) => key.endsWith(".q"));
  return { adapted, gradient: seen[0]!.gradients.get(name!)!, name: name! };
};

test("a method's penalty adds its gradient once per step, whatever the number of batches", async () => {
  for (const gradientAccumulation of [1, 3]) {
    // At no rate, so that the tensors stay where the penalty was taken.
    const settings = { gradientAccumulation, learningRate: 0, weightDecay: 0, maxGradNorm: 1e9 };
    const { adapted, gradient, name } = await gradientOfQ(settings);
    const plain = await gradientOfQ(settings, true);
    const { tensor } = adapted.trained.find((member) => member.name === name)!;
    const [expected] = torch.grad([penaltyOf(adapted)], [tensor]);
    const added = torch.noGrad(() => torch.sub(gradient, plain.gradient)).toArray();
    expect(Math.max(...expected!.toArray().map(Math.abs))).toBeGreaterThan(0.1);
    for (const [i, value] of added.entries()) expect(value).toBeCloseTo(expected!.toArray()[i]!, 4);
  }
});

test("after each step a method gets its number and clipped gradients, and may change trained tensors", async () => {
  const { adapted, seen, plan } = await open({ maxGradNorm: 0.05 });
  steps(plan()[0]!.begin(), 3);
  expect(seen.map(({ step, steps: of }) => [step, of])).toEqual([
    [1, 6],
    [2, 6],
    [3, 6],
  ]);
  const square = [...seen[0]!.gradients.values()].reduce((sum, g) => sum + torch.norm(g).item() ** 2, 0);
  expect(Math.sqrt(square)).toBeCloseTo(0.05, 5);
  expect([...seen[0]!.gradients.keys()]).toEqual(adapted.trained.map(({ name }) => name));
  for (const { tensor } of singularValues(adapted)) expect(tensor.toArray().filter((v) => v === 0)).toHaveLength(2);
});

test("a method's state is saved and restored with the same bits", async () => {
  const through = await open();
  const rule = through.plan()[0]!.begin();
  steps(rule, 2);
  const { tensors, values } = rule.save();
  const kept = new Map([...tensors].map(([name, t]) => [name, torch.keep(torch.noGrad(() => torch.clone(t)))]));
  expect([...kept.keys()].filter((name) => name.startsWith("hooks."))).toHaveLength(
    singularValues(through.adapted).length,
  );
  const state: RuleState = { tensors: kept, values: JSON.parse(JSON.stringify(values)) };
  const trained = takeSnapshot(through.adapted.trained);
  steps(rule, 3);

  const resumed = await open();
  const again = resumed.plan()[0]!.begin();
  again.restore(state);
  restoreSnapshot(resumed.adapted.trained, trained);
  steps(again, 3);
  for (const [i, { name, tensor }] of through.adapted.trained.entries())
    expectSameBits(resumed.adapted.trained[i]!.tensor, tensor, name);
  const lacking = new Map([...kept].filter(([name]) => !name.startsWith("hooks.")));
  expect(() => again.restore({ ...state, tensors: lacking })).toThrow("for hooks.");
});

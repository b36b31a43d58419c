// Learning rates of their own: LoRA+'s of B and of magnitudes, and the head's.

import { beforeAll, describe, expect, test } from "vitest";
import type { TrainedTensor } from "../../src/models/adapters/index.js";
import type { RunSettings } from "../../src/tasks/config/index.js";
import { type EncodedExample, TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { planPhases } from "../../src/training/loop/plans.js";
import { ratesOf } from "../../src/training/loop/rates.js";
import type { BilevelRule } from "../../src/training/steps/bilevelRule.js";
import { Level } from "../../src/training/steps/level.js";
import { restoreSnapshot, takeSnapshot } from "../../src/training/steps/trainedTensors.js";
import { openAdapted } from "../parity/support/adapted.js";
import { planSettings } from "../parity/support/phases.js";
import { encodeRows } from "../parity/support/rows.js";

const CASE = { checkpoint: "single", adapter: "adapters/dora-wide", rows: "train", maxLength: 20 };
let rows: EncodedExample[];
beforeAll(async () => {
  rows = await encodeRows("bert", CASE);
});

async function open(settings: RunSettings) {
  const problem = await openAdapted("bert", CASE, { dtype: "float64", normGradient: "full" });
  const setup = {
    ...{ ...problem, rows, task: TASKS["sequence-classification"], ranks: torch.ALONE },
    masks: new ReplayableMasks(new torch.Generator(0)),
    start: takeSnapshot(problem.adapted.trained),
  };
  const base = {
    batchSize: 3,
    maxSteps: 6,
    learningRate: 1e-2,
    upperLearningRate: 1e-2,
    schedule: "constant",
  } as const;
  return { ...problem, plans: planPhases(setup as never, planSettings({ ...base, ...settings })) };
}

const peaksOf = async (settings: RunSettings) => {
  const { model, adapted } = await openAdapted("bert", CASE);
  const { loraplusRatio, headLearningRate } = planSettings(settings);
  const peak = ratesOf({ loraplusRatio, headLearningRate }, 0.5, { adapted, headModules: model.headModules });
  return new Map(adapted.trained.map((tensor) => [tensor.name, peak?.(tensor)]));
};

test("B and magnitudes take the ratio, A and the head do not; the head takes its own", async () => {
  expect(new Set((await peaksOf({})).values())).toEqual(new Set([undefined]));
  for (const [headLearningRate, ofHead] of [
    [undefined, 0.5],
    [0.125, 0.125],
    [0, 0],
  ] as const) {
    const peaks = await peaksOf({ loraplusRatio: 4, headLearningRate });
    const found = new Set(
      Array.from(peaks, ([name, rate]) => `${/lora_A|lora_B|magnitude|bias|weight/.exec(name)![0]} ${rate}`),
    );
    expect(found).toEqual(new Set(["lora_A 0.5", "lora_B 2", "magnitude 2", `weight ${ofHead}`, `bias ${ofHead}`]));
  }
});

test("LoRA+ gives both matrices of an embedding PEFT's rate", async () => {
  const { model, adapted } = await openAdapted("bert", { checkpoint: "single", adapter: "adapters/dora-embedding" });
  const places = { adapted, headModules: model.headModules };
  const rateOf = (learningRate: number, end: string) =>
    ratesOf({ loraplusRatio: 4, headLearningRate: undefined }, learningRate, places)!(
      adapted.trained.find(({ name }) => name.endsWith(end))!,
    );
  expect(["lora_embedding_A", "lora_embedding_B"].map((end) => rateOf(0.5, end))).toEqual([1e-6, 1e-6]);
  expect(rateOf(0, "lora_embedding_A")).toBe(0);
  expect(rateOf(0.5, "word_embeddings.lora_magnitude_vector")).toBe(2);
});

test.each(["adamw", "sgd", "adamw8bit", "lion", "adafactor"] as const)(
  "%s: a tensor with a rate of its own steps as in a level of that rate",
  async (optimizer) => {
    const rateOf = ({ name }: TrainedTensor) => (name.includes("lora_B") ? 0.03 : 0.01);
    const settings = { ...planSettings({ optimizer }), steps: 4, learningRate: 0.01, weightDecay: 0.1 } as const;
    const [mixed, plain, raised] = await Promise.all(
      Array.from({ length: 3 }, async () => (await openAdapted("bert", CASE)).adapted),
    );
    const levels = [
      new Level(mixed!.trained, { ...settings, maxGradNorm: undefined, rateOf }),
      new Level(plain!.trained, { ...settings, maxGradNorm: undefined }),
      new Level(raised!.trained, { ...settings, maxGradNorm: undefined, learningRate: 0.03 }),
    ];
    for (let step = 0; step < 3; step++) {
      const generator = new torch.Generator(step);
      const tensors = mixed!.trained.map(({ tensor }) =>
        torch.normal_(torch.empty(tensor.shape, { dtype: "float32" }), 0, 1, { generator }),
      );
      const updates = levels.map((level) => level.update({ tensors, norm: 1 }));
      expect(updates[0]!.learningRate).toBe(updates[1]!.learningRate);
    }
    expect(levels[0]!.stepsDone).toBe(3);
    for (const [i, { name, tensor }] of mixed!.trained.entries()) {
      const same = (name.includes("lora_B") ? raised : plain)!.trained[i]!;
      expect(tensor.toArray(), name).toEqual(same.tensor.toArray());
    }
  },
);

describe("the hypergradient with rates of their own is the derivative of the upper loss through the lower steps", () => {
  test.each<RunSettings>([
    { optimizer: "adamw", xi: "optimizer", loraplusRatio: 8 },
    { optimizer: "adamw", xi: "optimizer", headLearningRate: 0.2, maxGradNorm: 1e9 },
    { optimizer: "sgd", momentum: 0, xi: "learning-rate", loraplusRatio: 8, headLearningRate: 0.3 },
    {
      optimizer: "sgd",
      momentum: 0,
      xi: "learning-rate",
      hypergradient: "neumann",
      hypergradientTerms: 1,
      loraplusRatio: 8,
    },
  ])("%o", async (settings) => {
    const { adapted, plans } = await open({ method: "bidora", weightDecay: 0.05, learningRate: 5e-2, ...settings });
    const rule = plans[0]!.begin() as BilevelRule;
    for (let i = 0; i < 2; i++) torch.scope(() => rule.step());
    const [start, state] = [takeSnapshot(adapted.trained), rule.save()];
    const kept = {
      tensors: new Map([...state.tensors].map(([name, t]) => [name, torch.keep(torch.noGrad(() => torch.clone(t)))])),
      values: JSON.parse(JSON.stringify(state.values)),
    };
    const at = (place: number, change: number) => {
      restoreSnapshot(adapted.trained, start);
      rule.restore(kept);
      const { tensor } = rule.options.upper.trained[place]!;
      torch.noGrad(() => torch.add_(torch.narrow(tensor, 0, 1, 1), torch.full([1], change, { dtype: "float64" })));
      return torch.scope(() => {
        const { report, gradients } = rule.descend();
        return { loss: report.upperLoss!, slope: torch.narrow(gradients.tensors[place]!, 0, 1, 1).item() };
      });
    };
    const h = 1e-4;
    for (const place of [0, 2]) {
      const slope = (at(place, h).loss - at(place, -h).loss) / (2 * h);
      expect(at(place, 0).slope / slope).toBeCloseTo(1, 5);
    }
  });
});

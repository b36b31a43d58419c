import { describe, expect, test } from "vitest";
import {
  ADAPTER_METHODS,
  type AdaptedModel,
  inject,
  TrainedTensor,
  trainEverything,
} from "../../src/models/adapters/index.js";
import { Parameter } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { OPTIMIZERS, type OptimizerName } from "../../src/torch/optim/index.js";
import { throughDecay } from "../../src/training/hypergradients/decay.js";
import type { LowerPoint } from "../../src/training/hypergradients/estimators.js";
import { levelsOf } from "../../src/training/loop/levels.js";
import { checkGradients } from "../../src/training/steps/finite.js";
import { GroupDecays } from "../../src/training/steps/groupDecays.js";
import { Level } from "../../src/training/steps/level.js";
import { openModel } from "../parity/support/adapted.js";
import { planSettings } from "../parity/support/phases.js";

type MethodName = keyof typeof ADAPTER_METHODS;

async function groupsOf(method: MethodName | "full", targetModules: readonly string[], family = "bert") {
  const model = await openModel(family, "single");
  const options = { generator: new torch.Generator(0) };
  const adapted: AdaptedModel =
    method === "full"
      ? trainEverything(model)
      : inject(model, ADAPTER_METHODS[method].config({ targetModules, modulesToSave: ["classifier"] }), options);
  const levels = levelsOf({ method, upper: "decay" }, { adapted, headModules: model.headModules, weightDecay: 0.25 })!;
  const names = (members: readonly number[]) => members.map((place) => levels.lower[place]!.name);
  return new Map(levels.decays!.groups.map(({ name, members }) => [name, names(members)]));
}

const layers = (...kinds: readonly string[]) => [0, 1, 2].flatMap((n) => kinds.map((kind) => `${kind}.${n}`));

test.each([
  ["lora", ["query", "value"], layers("lora_A", "lora_B")],
  ["dora", ["query"], layers("lora_A", "lora_B", "lora_magnitude_vector")],
  ["lora", ["word_embeddings"], ["lora_embedding_A", "lora_embedding_B"]],
  ["vera", ["query"], layers("vera_lambda_b", "vera_lambda_d")],
  ["ia3", ["key", "value"], layers("ia3_l")],
  ["adalora", ["query"], layers("lora_A", "lora_B", "lora_E")],
  ["miss", ["query"], layers("miss_block")],
  ["delora", ["query"], layers("delora_A", "delora_B", "delora_lambda")],
  ["hira", ["query", "word_embeddings"], ["hira_embedding_A", "hira_embedding_B", ...layers("hira_A", "hira_B")]],
  ["adapter", ["attention.output.dense", "output.dense"], layers("adapter_down", "adapter_up")],
  ["bitfit", [], []],
  ["full", [], ["weight", ...layers("weight")]],
] as const)("the groups of %s in %j", async (method, targets, expected) => {
  const groups = await groupsOf(method, targets);
  expect([...groups.keys()].sort()).toEqual([...expected, "head"].sort());
  const all = [...groups.values()].flat();
  expect(new Set(all).size).toBe(all.length);
  for (const name of all) expect(name).not.toMatch(/bias|norm/i);
  for (const [group, names] of groups)
    if (group.includes(".")) for (const name of names) expect(name).toContain(`layer.${group.split(".")[1]}.`);
});

test("a group has its layer's tensors of one kind; embeddings have no layer, and a decoder's layers count as any", async () => {
  const lora = await groupsOf("lora", ["query", "value"]);
  expect(lora.get("lora_B.1")).toEqual(
    ["query", "value"].map((name) => `bert.encoder.layer.1.attention.self.${name}.lora_B.weight`),
  );
  expect(lora.get("head")).toEqual(["classifier.weight"]);
  const full = await groupsOf("full", []);
  expect(full.get("weight")).toEqual(
    ["word", "position", "token_type"].map((name) => `bert.embeddings.${name}_embeddings.weight`),
  );
  expect(full.get("weight.2")).toHaveLength(6);
  const gpt2 = await groupsOf("full", [], "gpt2");
  expect(gpt2.get("weight.1")).toContain("transformer.h.1.attn.c_attn.weight");
});

test("a run in which nothing decays is refused", async () => {
  const model = await openModel("bert", "single");
  const { trained, ...rest } = trainEverything(model);
  const adapted = { ...rest, trained: trained.filter(({ decays }) => !decays) };
  const options = { adapted, headModules: model.headModules, weightDecay: 0.1 };
  expect(() => levelsOf({ method: "full", upper: "decay" }, options)).toThrow(
    "--upper decay does not go with --method full here: nothing that is trained has a weight decay; choose another group.",
  );
});

const NAMES = ["a", "b", "none"] as const;

/** A level of three tensors in float64, two of them in groups, after two steps. */
function levelOf(optimizer: OptimizerName, momentum = 0.9) {
  const generator = new torch.Generator(4);
  const draw = () => torch.keep(torch.normal_(torch.empty([5, 3], { dtype: "float64" }), 0, 1, { generator }));
  const trained = NAMES.map((name) => new TrainedTensor(name, Parameter.of(draw()), "direction", name !== "none"));
  const decays = new GroupDecays(trained, ({ name }) => name, 0.25);
  const settings = planSettings({ optimizer, momentum, learningRate: 0.05, schedule: "constant" });
  const level = new Level(trained, { ...settings, steps: 9, weightDecay: (tensor) => decays.of(tensor) });
  const step = () => level.update(checkGradients(trained.map(draw)));
  const [, { learningRate }] = [step(), step()];
  return { trained, decays, step, learningRate, v: trained.map(draw) };
}

/** Sets θ. */
const put = ({ logs }: GroupDecays, ...values: readonly number[]) =>
  torch.noGrad(() => torch.copy_(logs.tensor, torch.tensor(values, [values.length], "float64")));

describe.each([
  ...(Object.keys(OPTIMIZERS) as OptimizerName[]).map((name) => [name, 0.9] as const),
  ["sgd", 0] as const,
])("with %s, momentum %d", (optimizer, momentum) => {
  /** ⟨p', v⟩ after the third step with these θ. */
  const sumAfter = (...logs: readonly number[]) => {
    const { trained, decays, step, v } = levelOf(optimizer, momentum);
    put(decays, ...logs);
    step();
    return torch.noGrad(() =>
      trained.reduce((sum, { tensor }, i) => sum + torch.sum(torch.mul(tensor, v[i]!)).item(), 0),
    );
  };

  test("the hypergradient is the derivative of a step by the logarithms", () => {
    const { trained, decays, learningRate, v } = levelOf(optimizer, momentum);
    put(decays, -1, 0.5);
    const lower = trained.map(({ tensor }) => tensor);
    const direction = { v, rates: v.map(() => learningRate), weighted: () => [] };
    const [second] = throughDecay(decays).secondTerm!({ lower } as unknown as LowerPoint, direction);
    const h = 1e-4;
    const slopes = [
      (sumAfter(-1 + h, 0.5) - sumAfter(-1 - h, 0.5)) / (2 * h),
      (sumAfter(-1, 0.5 + h) - sumAfter(-1, 0.5 - h)) / (2 * h),
    ];
    for (const [i, value] of second!.toArray().entries()) expect(-value / slopes[i]!).toBeCloseTo(1, 6);
  });
});

test("λ starts at the given number in full digits, and one that is no number any more is an error that names its group", () => {
  const { trained, decays } = levelOf("adamw");
  expect(decays.values()).toEqual({ a: 0.25, b: 0.25 });
  put(decays, Math.log(3), -800);
  expect(decays.values().a).toBeCloseTo(3, 14);
  expect(decays.of(trained[0]!)).toBe(decays.values().a);
  expect(decays.of(trained[1]!)).toBe(0);
  put(decays, 0, 800);
  expect(() => decays.values()).toThrow(
    "The weight decay of b is no longer finite: use a smaller --upper-learning-rate.",
  );
});

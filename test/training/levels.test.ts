import { expect, test } from "vitest";
import { isInGroup, kindAndLayer, TrainedTensor } from "../../src/models/adapters/index.js";
import { Parameter } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { levelsOf } from "../../src/training/loop/levels.js";

const HEAD = ["bert.pooler", "classifier"];
const PLACES = { adapted: { modules: [] }, headModules: HEAD };
const named = (name: string, isNorm = false) =>
  new TrainedTensor(name, Parameter.of(torch.zeros([1])), "direction", true, false, isNorm);

const MEMBERS = {
  "lora-b": ["layer.0.query.lora_B.weight", "embeddings.words.lora_embedding_B"],
  magnitudes: ["layer.0.query.lora_magnitude_vector"],
  prediag: ["layer.0.query.prediag_diagonal"],
  vera: ["layer.0.query.vera_lambda_b", "layer.0.query.vera_lambda_d"],
  ia3: ["layer.0.query.ia3_l"],
  adalora: ["layer.0.query.lora_E"],
  delora: ["layer.0.query.delora_lambda"],
  bias: ["layer.0.query.bias", "layer.0.query.base_layer.bias", "layer.0.LayerNorm.bias"],
  norms: ["layer.0.LayerNorm.weight", "layer.0.LayerNorm.bias"],
  head: ["bert.pooler.dense.weight", "bert.pooler.LayerNorm.bias", "classifier.bias", "classifier.lora_B.weight"],
} as const;
const OTHERS = [
  "layer.0.attention.relative_attention_bias.weight",
  "layer.0.query.lora_B.bias",
  "layer.0.query.lora_A.weight",
  "layer.0.query.delora_B",
  "classifier2.weight",
];

test.each(Object.keys(MEMBERS) as (keyof typeof MEMBERS)[])(
  "the group %s has its own tensors, and no others",
  (group) => {
    const all = [...new Set([...Object.values(MEMBERS).flat(), ...OTHERS])];
    const found = all.filter((name) => isInGroup(group, named(name, name.includes("LayerNorm")), PLACES));
    // a bias of B is trained as any other bias
    const wanted = group === "bias" ? [...MEMBERS.bias, "layer.0.query.lora_B.bias"] : MEMBERS[group];
    expect(found.toSorted()).toEqual([...wanted].toSorted());
  },
);

test("a weight decay of an upper level without any is refused", () => {
  const norm = new TrainedTensor(
    "layer.0.LayerNorm.weight",
    Parameter.of(torch.zeros([1])),
    "direction",
    false,
    false,
    true,
  );
  const bias = new TrainedTensor("layer.0.query.bias", Parameter.of(torch.zeros([1])), "direction", false);
  const adapted = { trained: [norm, bias, named("layer.0.query.weight"), named("classifier.weight")], modules: [] };
  const of = (upper: "norms" | "bias" | "head", upperWeightDecay: number) =>
    levelsOf({ method: "full", upper, upperWeightDecay }, { adapted: adapted as never, headModules: HEAD });
  for (const group of ["norms", "bias"] as const) {
    expect(() => of(group, 0.1)).toThrow(`No effect: --upper-weight-decay 0.1 is not applied to ${group}`);
    expect(of(group, 0)?.upper).toHaveLength(1);
  }
  expect(of("head", 0.1)?.upper).toHaveLength(1);
});

test("a tensor's kind and layer: its name in the adapter or in its module, and the first number in its path", () => {
  const modules = ["layer.0.ffn.3.query", "embeddings.words"].map((path) => ({ path }));
  const kindOf = (name: string) => kindAndLayer(named(name), { adapted: { modules }, headModules: HEAD });
  expect(kindOf("layer.0.ffn.3.query.lora_B.weight")).toBe("lora_B.0");
  expect(kindOf("embeddings.words.lora_embedding_A")).toBe("lora_embedding_A");
  expect(kindOf("layer.7.ffn.3.query.weight")).toBe("weight.7");
  expect(kindOf("classifier.weight")).toBe("head");
});

test("an adapter in a module of the head, as all-linear gives BERT's pooler one, is in the groups of its tensors", () => {
  const places = { adapted: { modules: [{ path: "bert.pooler.dense" }] }, headModules: HEAD };
  const isIn = (group: Parameters<typeof isInGroup>[0], name: string) => isInGroup(group, named(name), places);
  expect(isIn("magnitudes", "bert.pooler.dense.lora_magnitude_vector")).toBe(true);
  expect(isIn("lora-b", "bert.pooler.dense.lora_B.weight")).toBe(true);
  expect(isIn("head", "bert.pooler.dense.lora_A.weight")).toBe(false);
  expect(isIn("head", "classifier.weight")).toBe(true);
  expect(kindAndLayer(named("bert.pooler.dense.lora_A.weight"), places)).toBe("lora_A");
});

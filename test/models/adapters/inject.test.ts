import { describe, expect, test } from "vitest";
import {
  type AdapterConfig,
  doraConfig,
  eject,
  findTargets,
  inject,
  type LowRankConfig,
  loraConfig,
  trainEverything,
} from "../../../src/models/adapters/index.js";
import { reinject } from "../../../src/models/adapters/inject.js";
import { EVALUATION } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { expectSameBits } from "../../torch/sameBits.js";
import { EVALUATION_WITH_GRADIENT, IDS, perturb, SmallModel } from "./smallModel.js";

const targets = (options: Partial<LowRankConfig>) => [...findTargets(new SmallModel(), loraConfig(options)).keys()];

describe("targets", () => {
  test.each<[Partial<LowRankConfig>, string[]]>([
    [{ targetModules: ["query"] }, ["encoder.layer.0.query", "encoder.layer.1.query"]],
    [{ targetModules: ["1.query", "words"] }, ["words", "encoder.layer.1.query"]],
    [{ targetModules: ["uery", "encoder.layer.0.value"] }, ["encoder.layer.0.value"]],
    [{ targetModules: ".*layer\\.\\d\\.value|words" }, ["words", "encoder.layer.0.value", "encoder.layer.1.value"]],
    [{ targetModules: "encoder.layer.0.(?P<name>query)" }, ["encoder.layer.0.query"]],
    // The model itself, whose path is empty, is none of its modules.
    [{ targetModules: "(encoder.layer.0.query)?" }, ["encoder.layer.0.query"]],
    [{ targetModules: ["query", "value"], layersToTransform: [1] }, ["encoder.layer.1.query", "encoder.layer.1.value"]],
    [{ targetModules: ["value"], layersToTransform: [0], layersPattern: ["layer"] }, ["encoder.layer.0.value"]],
    [
      { targetModules: ["value", "encoder.layer.1.value"], layersToTransform: [0] },
      ["encoder.layer.0.value", "encoder.layer.1.value"],
    ],
    [{ targetModules: ["query", "value"], excludeModules: ["0.query", "value"] }, ["encoder.layer.1.query"]],
    [
      { targetModules: "ALL-linear", excludeModules: ".*value" },
      ["encoder.layer.0.query", "encoder.layer.1.query", "pre_classifier", "classifier"],
    ],
    // As PEFT, the end of a path decides what is saved whole, whether or not there is a dot before it.
    [
      { modulesToSave: ["classifier"] },
      ["encoder.layer.0.query", "encoder.layer.0.value", "encoder.layer.1.query", "encoder.layer.1.value"],
    ],
  ])("%j", (options, paths) => {
    expect(targets(options)).toEqual(paths);
  });

  test("that match nothing, or something other than a layer, are refused", () => {
    expect(() => targets({ targetModules: ["q_proj"] })).toThrow(
      /"q_proj"; the model's linear layers are called query, value,/,
    );
    expect(() => targets({ targetModules: ["norm"] })).toThrow(/norm, which is neither/);
    const elsewhere = { targetModules: ["value"], layersToTransform: [0], layersPattern: ["block"] };
    expect(() => targets(elsewhere)).toThrow(/No module matches the target modules "value"/);
    expect(() => targets({ targetModules: "(" })).toThrow(/pattern .* cannot be read/);
  });
});

const CONFIGS: [string, AdapterConfig][] = [
  ["LoRA", loraConfig({ targetModules: ["query", "value", "words"], modulesToSave: ["classifier"] })],
  ["LoRA with a bias of B", loraConfig({ targetModules: ["query"], loraBias: true })],
  ["DoRA", doraConfig({ targetModules: ["query", "value", "words"], bias: "all" })],
  ["DoRA along in", doraConfig({ targetModules: "all-linear", axis: "in", normGradient: "full", bias: "adapted" })],
];

describe.each(CONFIGS)("%s", (_, config) => {
  test("starts with the model's own outputs, and only trained tensors get gradients", () => {
    const model = new SmallModel();
    const before = model.forward(IDS, EVALUATION);
    const { trained } = inject(model, config, { generator: new torch.Generator(3), dtype: "float64" });
    expectSameBits(model.forward(IDS, EVALUATION), before);

    const again = model.forward(IDS, EVALUATION_WITH_GRADIENT);
    expectSameBits(again, before);
    torch.backward(torch.sum(torch.square(again)));
    const withGradient = new Set(trained.map(({ tensor }) => tensor));
    for (const { name, tensor } of trained) expect(tensor.grad, name).toBeDefined();
    for (const [path, { tensor }] of model.namedParameters()) {
      expect(tensor.requiresGrad, path).toBe(withGradient.has(tensor));
    }
  });

  test("can be removed and added again", () => {
    const model = new SmallModel();
    const adapted = inject(
      model,
      { ...config, bias: "none", modulesToSave: [] },
      { generator: new torch.Generator(3), dtype: "float64" },
    );
    const before = model.forward(IDS, EVALUATION).toArray();
    perturb(adapted.trained.map(({ tensor }) => tensor));
    const after = model.forward(IDS, EVALUATION).toArray();
    expect(after).not.toEqual(before);
    eject(adapted);
    expect(model.forward(IDS, EVALUATION).toArray()).toEqual(before);
    reinject(adapted);
    expect(model.forward(IDS, EVALUATION).toArray()).toEqual(after);
  });
});

test("the tensors have PEFT's names, roles and decay", () => {
  const config = doraConfig({
    targetModules: ["encoder.layer.0.query", "words"],
    bias: "all",
    modulesToSave: ["pre_classifier", "norm"],
    rank: 2,
  });
  const { trained } = inject(new SmallModel(), config, { generator: new torch.Generator(3) });
  const rows = trained.map(({ name, role, decays, tensor }) => [name, [...tensor.shape], role, decays, tensor.dtype]);
  expect(rows).toEqual([
    ["words.lora_embedding_A", [2, 11], "direction", true, "float32"],
    ["words.lora_embedding_B", [6, 2], "direction", true, "float32"],
    ["words.lora_magnitude_vector", [6], "magnitude", true, "float32"],
    ["encoder.layer.0.query.lora_A.weight", [2, 6], "direction", true, "float32"],
    ["encoder.layer.0.query.lora_B.weight", [5, 2], "direction", true, "float32"],
    ["encoder.layer.0.query.lora_magnitude_vector", [5], "magnitude", true, "float32"],
    ["norm.weight", [6], "direction", false, "float32"],
    ["norm.bias", [6], "direction", false, "float32"],
    ["pre_classifier.weight", [6, 6], "direction", true, "float32"],
    ["pre_classifier.bias", [6], "direction", false, "float32"],
    ["encoder.layer.0.query.base_layer.bias", [5], "direction", false, "float32"],
    ["encoder.layer.1.query.bias", [5], "direction", false, "float32"],
    ["classifier.bias", [3], "direction", false, "float32"],
  ]);
});

test.each([
  ["none", []],
  ["adapted", ["encoder.layer.0.query.base_layer.bias", "encoder.layer.1.query.base_layer.bias"]],
] as const)("bias %s trains the biases of adapted layers, or none", (bias, expected) => {
  const config = loraConfig({ targetModules: ["query", "value"], bias });
  const { trained } = inject(new SmallModel(), config, { generator: new torch.Generator(3) });
  expect(trained.map(({ name }) => name).filter((name) => name.endsWith("bias"))).toEqual(expected);
});

test("lora_bias is a direction without weight decay", () => {
  const config = loraConfig({ targetModules: ["encoder.layer.0.query"], loraBias: true, rank: 2 });
  const { trained } = inject(new SmallModel(), config, { generator: new torch.Generator(3) });
  expect(trained.map(({ name, role, decays, tensor }) => [name, [...tensor.shape], role, decays])).toEqual([
    ["encoder.layer.0.query.lora_A.weight", [2, 6], "direction", true],
    ["encoder.layer.0.query.lora_B.weight", [5, 2], "direction", true],
    ["encoder.layer.0.query.lora_B.bias", [5], "direction", false],
  ]);
});

test("lora_bias is refused with DoRA and for embeddings", () => {
  const options = { generator: new torch.Generator(1) };
  expect(() => inject(new SmallModel(), doraConfig({ loraBias: true }), options)).toThrow(/are mutually exclusive/);
  const embedding = loraConfig({ targetModules: ["words"], loraBias: true });
  expect(() => inject(new SmallModel(), embedding, options)).toThrow(/embedding words/);
});

test("a fully trained embedding still computes in the model's dtype", () => {
  const model = new SmallModel("bfloat16");
  const before = model.words.forward(IDS, EVALUATION);
  const { trained } = inject(model, loraConfig({ targetModules: ["query"], modulesToSave: ["words"] }), {
    generator: new torch.Generator(1),
  });
  const table = trained.find(({ name }) => name === "words.weight")!;
  expect(table.tensor.dtype).toBe("float32");
  const after = model.words.forward(IDS, EVALUATION);
  expect([after.dtype, after.toArray()]).toEqual(["bfloat16", before.toArray()]);
});

test("full training starts with the same outputs, and biases and norms do not decay", () => {
  const model = new SmallModel();
  const before = model.forward(IDS, EVALUATION).toArray();
  const { trained, modules } = trainEverything(model, "float64");
  expect(model.forward(IDS, EVALUATION).toArray()).toEqual(before);
  expect(modules).toEqual([]);
  expect(trained.map(({ name }) => name)).toEqual(Array.from(model.namedParameters(), ([path]) => path));
  const spared = trained.filter(({ decays }) => !decays).map(({ name }) => name);
  expect(spared).toEqual(trained.map(({ name }) => name).filter((name) => /bias$|^norm/.test(name)));
  expect(trained.every(({ tensor, role }) => tensor.requiresGrad && role === "direction")).toBe(true);
});

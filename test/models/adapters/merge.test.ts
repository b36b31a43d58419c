import { describe, expect, test } from "vitest";
import {
  type AdapterConfig,
  attachAdapter,
  doraConfig,
  inject,
  loraConfig,
  merge,
  mergedWeight,
  toLora,
} from "../../../src/models/adapters/index.js";
import { rankAndScale } from "../../../src/models/adapters/lowRankConfig.js";
import { mergedBias } from "../../../src/models/adapters/merge.js";
import { EVALUATION } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { expectClose } from "../../parity/goldenFiles.js";
import { IDS, perturb, SmallModel } from "./smallModel.js";

const TARGETS = ["query", "value", "words"];
const CONFIGS: [string, AdapterConfig][] = [
  ["LoRA", loraConfig({ targetModules: TARGETS, rank: 2, bias: "all" })],
  [
    "LoRA with a bias of B",
    loraConfig({ targetModules: ["query", "classifier"], rank: 2, loraBias: true, rslora: true }),
  ],
  ["DoRA", doraConfig({ targetModules: TARGETS, rank: 2, rankPattern: { value: 3 } })],
  ["DoRA along in", doraConfig({ targetModules: TARGETS, rank: 2, axis: "in" })],
];

function trained(config: AdapterConfig, modelDtype: torch.DType = "float64", dtype: torch.DType = "float64") {
  return adapt(new SmallModel(modelDtype), config, dtype);
}

function adapt(model: SmallModel, config: AdapterConfig, dtype: torch.DType) {
  const adapted = inject(model, config, { generator: new torch.Generator(3), dtype });
  perturb(adapted.trained.map(({ tensor }) => tensor));
  return { model, adapted };
}

const snapshot = (model: SmallModel) =>
  Array.from(model.baseParameters(), ([path, { tensor }]) => [path, tensor.toArray()]);

describe.each(CONFIGS)("%s", (_, config) => {
  test("a merged model has the same outputs, and unmerging restores it exactly", () => {
    const { model, adapted } = trained(config);
    const parameters = snapshot(model);
    const before = model.forward(IDS, EVALUATION);
    const unmerge = merge(adapted);
    expect(adapted.modules.every(({ layer }) => layer.adapter === undefined)).toBe(true);
    expectClose(model.forward(IDS, EVALUATION), before, 1e-12);
    expect(snapshot(model)).not.toEqual(parameters);
    unmerge();
    expect(snapshot(model)).toEqual(parameters);
    expect(model.forward(IDS, EVALUATION).toArray()).toEqual(before.toArray());
  });

  test("converts to a plain LoRA of full rank without error", () => {
    const { model, adapted } = trained(config);
    const expected = model.forward(IDS, EVALUATION);
    const lora = toLora(adapted, 99);
    expect(lora.relativeError).toBe(0);
    expect(lora.modules.every(({ rank }) => rank <= 6)).toBe(true);
    const fresh = new SmallModel("float64");
    const origin = { taskType: undefined, baseModel: undefined, revision: undefined, metadata: undefined };
    attachAdapter(fresh, { ...lora, ...origin }, { generator: new torch.Generator(4), dtype: "float64" });
    expectClose(fresh.forward(IDS, EVALUATION), expected, 1e-6);
  });

  test("reports the true error of a low rank", () => {
    const { adapted } = trained(config);
    const lora = toLora(adapted, 1);
    for (const [i, module] of adapted.modules.entries()) {
      expect(rankAndScale(lora.config, module.path)).toMatchObject({ rank: 1, scale: 1 });
      const names =
        module.kind === "linear" ? ["lora_A.weight", "lora_B.weight"] : ["lora_embedding_A", "lora_embedding_B"];
      const [a, b] = names.map((name) => torch.to(lora.tensors.get(`${module.path}.${name}`)!, "float64")) as [
        torch.Tensor,
        torch.Tensor,
      ];
      const update = torch.sub(mergedWeight(module), module.layer.weight.tensor);
      const product = torch.mm(b, a);
      const kept = module.kind === "linear" ? product : torch.t(product);
      const error = torch.norm(torch.sub(update, kept)).item() / torch.norm(update).item();
      expect(lora.modules[i]!.relativeError).toBeCloseTo(error, 6);
      expect(error).toBeGreaterThan(0.01);
    }
    const worst = Math.max(...lora.modules.map((module) => module.relativeError));
    expect(lora.relativeError).toBeGreaterThan(0);
    expect(lora.relativeError).toBeLessThanOrEqual(worst);
  });
});

test("the magnitude along each axis is the norm of the merged weight for any direction", () => {
  for (const axis of ["out", "in"] as const) {
    const { adapted } = trained(doraConfig({ targetModules: ["query"], axis }));
    const [module] = adapted.modules;
    const norm = torch.linalgVectorNorm(mergedWeight(module!), 2, [axis === "out" ? 1 : 0]);
    const magnitude = adapted.trained.find(({ role }) => role === "magnitude")!.tensor;
    expectClose(norm, torch.abs(magnitude), 1e-12, axis);
  }
});

test("a bfloat16 base is merged in the adapter's precision", () => {
  const { adapted } = trained(doraConfig({ targetModules: TARGETS }), "bfloat16", "float32");
  for (const module of adapted.modules) {
    const weight = mergedWeight(module);
    expect(weight.dtype).toBe("float32");
    expectClose(weight, torch.to(mergedWeight(module, "float64"), "float32"), 1e-5);
  }
});

test("lora_bias on a layer without a bias is refused before anything changes", () => {
  const { model, adapted } = trained(loraConfig({ targetModules: ["query", "value"], loraBias: true }));
  const parameters = snapshot(model);
  expect(() => merge(adapted)).toThrow(/layer\.0\.value has no bias/);
  expect(snapshot(model)).toEqual(parameters);
  expect(mergedBias(adapted.modules[0]!)).toBeDefined();
  expect(toLora(adapted, 99)).toMatchObject({ relativeError: 0, config: { loraBias: true } });
});

test("an adapter that changes nothing converts without error", () => {
  const adapted = inject(new SmallModel(), loraConfig({ targetModules: ["query"] }), {
    generator: new torch.Generator(1),
  });
  expect(toLora(adapted, 1).relativeError).toBe(0);
});

test.each(CONFIGS)("%s of weights with zeros can be merged and converted to a LoRA", (_, config) => {
  const withZeros = () => {
    const model = new SmallModel();
    const [first, second] = model.layers;
    torch.zero_(torch.narrow(first!.query.weight.tensor, 0, 1, 2)); // rows
    torch.zero_(torch.narrow(first!.value.weight.tensor, 1, 0, 1)); // a column
    torch.zero_(second!.query.weight.tensor);
    torch.zero_(torch.narrow(model.words.weight.tensor, 1, 3, 1)); // a dimension
    return model;
  };
  const start = withZeros();
  const untouched = inject(start, config, { generator: new torch.Generator(3), dtype: "float64" });
  const own = snapshot(start);
  expect(Number.isFinite(toLora(untouched).relativeError)).toBe(true);
  merge(untouched);
  for (const [i, [path, values]] of (snapshot(start) as [string, number[]][]).entries())
    expectClose(
      torch.tensor(values, undefined, "float64"),
      torch.tensor(own[i]![1] as number[], undefined, "float64"),
      1e-14,
      path,
    );

  const { model, adapted } = adapt(withZeros(), config, "float64");
  const before = model.forward(IDS, EVALUATION);
  expect(before.toArray().every(Number.isFinite)).toBe(true);
  expect(toLora(adapted, 99).relativeError).toBe(0);
  merge(adapted);
  expectClose(model.forward(IDS, EVALUATION), before, 1e-12);
});

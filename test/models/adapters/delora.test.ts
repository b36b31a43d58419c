import { describe, expect, test } from "vitest";
import {
  ADAPTER_METHODS,
  attachAdapter,
  inject,
  mergedWeight,
  savedTensors,
  toLora,
} from "../../../src/models/adapters/index.js";
import { EVALUATION } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { openModel } from "../../parity/support/adapted.js";
import { differentiable } from "../../torch/operators/passes.js";
import { EVALUATION_WITH_GRADIENT, IDS, perturb, SmallModel } from "./smallModel.js";

const config = ADAPTER_METHODS.delora.config({
  targetModules: ["query", "value"],
  rank: 3,
  rankPattern: { "layer.1.value": 2 },
  deloraLambda: 1.5,
});

function open(isTrained = true) {
  const model = new SmallModel();
  const adapted = inject(model, config, { generator: new torch.Generator(3), dtype: "float64" });
  if (isTrained) perturb(adapted.trained.map(({ tensor }) => tensor));
  return { model, adapted };
}

const norms = (matrix: torch.Tensor, dim: number) => torch.linalgVectorNorm(matrix, 2, [dim]);

test("a new adapter has PEFT's tensors: A in ±1/√in, B 0, λ, and the lengths of W0's columns, which are not trained", () => {
  const { model, adapted } = open(false);
  const path = "encoder.layer.1.value";
  const names = ["delora_A", "delora_B", "delora_lambda", "delora_w_norm"];
  const tensors = names.map((name) => savedTensors(adapted).get(`${path}.${name}`)!);
  expect(tensors.map(({ shape }) => [...shape])).toEqual([[2, 5], [6, 2], [1], [5]]);
  expect(tensors.map(({ requiresGrad }) => requiresGrad)).toEqual([true, true, true, false]);
  const [a, b, lambda, lengths] = tensors.map((tensor) => [...tensor.toArray()]);
  expect(Math.max(...a!.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(5));
  expect([b, lambda]).toEqual([new Array(12).fill(0), [1.5]]);
  const weight = new Map(model.namedParameters()).get(`${path}.weight`)!.tensor;
  for (const [i, length] of norms(weight, 0).toArray().entries()) expect(lengths![i]).toBeCloseTo(length, 12);
  const trained = adapted.trained.filter(({ name }) => name.startsWith(path)).map(({ name }) => name.split(".").at(-1));
  expect(trained).toEqual(names.slice(0, 3));
  expect(adapted.trained.every(({ decays }) => decays)).toBe(true);
});

test("the lengths are those of the file, not those of the weight", () => {
  const { adapted } = open();
  const tensors = new Map(savedTensors(adapted));
  const name = "encoder.layer.0.query.delora_w_norm";
  tensors.set(name, torch.mulScalar(tensors.get(name)!, 2));
  const saved = {
    config,
    tensors,
    metadata: undefined,
    taskType: undefined,
    baseModel: undefined,
    revision: undefined,
  };
  const changes = [
    adapted,
    attachAdapter(new SmallModel(), saved, { generator: new torch.Generator(1), dtype: "float64" }),
  ];
  const [own, other] = changes.map(({ modules }) => {
    const module = modules.find(({ path }) => path === "encoder.layer.0.query")!;
    return [...torch.sub(mergedWeight(module, "float64"), module.layer.weight.tensor).toArray()];
  });
  for (const [i, value] of other!.entries()) expect(value).toBeCloseTo(2 * own![i]!, 12);
  tensors.delete(name);
  expect(() => attachAdapter(new SmallModel(), saved, { generator: new torch.Generator(1) })).toThrow(
    `it lacks tensors that its configuration promises: ${name}.`,
  );
});

test("λ bounds the change relative to W0's columns, whatever the lengths of A and B", () => {
  const { model, adapted } = open();
  for (const { layer, adapter } of adapted.modules) {
    const change = torch.sub(mergedWeight({ layer, adapter }, "float64"), layer.weight.tensor);
    const lengths = adapter.ownParameters.get("delora_w_norm")!.tensor;
    const length = torch.linalgVectorNorm(torch.div(change, lengths), 2, [0, 1]).item();
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThanOrEqual(adapter.ownParameters.get("delora_lambda")!.tensor.item() * (1 + 1e-12));
  }
  const before = model.forward(IDS, EVALUATION).toArray();
  torch.noGrad(() => {
    for (const { name, tensor } of adapted.trained)
      if (/delora_[AB]$/.test(name)) torch.copy_(tensor, torch.mulScalar(tensor, 10));
  });
  const after = model.forward(IDS, EVALUATION).toArray();
  for (const [i, value] of after.entries()) expect(value).toBeCloseTo(before[i]!, 12);
});

describe("vectors of zeros", () => {
  test.each([false, true])("have finite gradients, differentiated twice: %s", (isTwice) => {
    const { model, adapted } = open(false);
    const row = adapted.trained.find(({ name }) => name.endsWith("delora_A"))!.tensor;
    torch.noGrad(() => torch.copy_(torch.narrow(row, 0, 0, 1), torch.zeros([1, row.shape[1]!], { dtype: "float64" })));
    const tensors = adapted.trained.map(({ tensor }) => tensor);
    const outputs = differentiable(isTwice, () => model.forward(IDS, EVALUATION_WITH_GRADIENT));
    const first = torch.grad([torch.sum(torch.square(outputs))], tensors, { createGraph: isTwice });
    const ofB = adapted.trained.findIndex(({ name }) => name.endsWith("delora_B"));
    expect(Math.max(...first[ofB]!.toArray().map(Math.abs))).toBeGreaterThan(0);
    for (const gradient of first) expect(torch.isAllFinite(gradient!)).toBe(true);
    if (!isTwice) return;
    const total = first.map((gradient) => torch.sum(torch.square(gradient!))).reduce((a, b) => torch.add(a, b));
    for (const gradient of torch.grad([total], tensors, { allowUnused: true }))
      expect(torch.isAllFinite(gradient!)).toBe(true);
  });
});

test("as a LoRA it is exact, with the rank of each layer", () => {
  const { adapted } = open();
  const { modules, relativeError, tensors } = toLora(adapted);
  expect([relativeError, modules.map(({ rank }) => rank)]).toEqual([0, [3, 3, 3, 2]]);
  expect([...tensors.keys()].some((name) => name.includes("delora"))).toBe(false);
});

test("Conv1D layers, which PEFT has no DeLoRA for, are refused", async () => {
  const gpt2 = await openModel("gpt2", "single");
  const onGpt2 = { ...config, targetModules: ["c_attn"] };
  expect(() => inject(gpt2, onGpt2, { generator: new torch.Generator(1) })).toThrow(
    /^DeLoRA goes to nn\.Linear layers/,
  );
  gpt2.dispose();
});

import { expect, test } from "vitest";
import { ADAPTER_METHODS, inject, mergedWeight, toLora } from "../../../src/models/adapters/index.js";
import { EVALUATION, Linear, Module, PackedWeight, WEIGHT_FORMATS } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { expectClose } from "../../parity/goldenFiles.js";
import { expectSameBits } from "../../torch/sameBits.js";
import { EVALUATION_WITH_GRADIENT, IDS, perturb, SmallModel } from "./smallModel.js";

const configOf = (targetModules: readonly string[]) => ADAPTER_METHODS.hira.config({ targetModules, rank: 3 });

const draw = (shape: readonly number[], seed: number, deviation = 1): torch.Tensor =>
  torch.normal_(torch.empty(shape), 0, deviation, { generator: new torch.Generator(seed) });

class OneLayer extends Module {
  readonly layer;

  constructor(inputs: number, outputs: number) {
    super();
    this.layer = this.child("layer", new Linear(inputs, outputs));
    this.layer.weight.fill(torch.keep(draw([outputs, inputs], 1)));
    this.layer.bias!.fill(torch.keep(draw([outputs], 2)));
  }
}

function adaptedLayer(inputs: number, outputs: number) {
  const model = new OneLayer(inputs, outputs);
  const adapted = inject(model, configOf(["layer"]), { generator: new torch.Generator(3) });
  perturb(adapted.trained.map(({ tensor }) => tensor));
  return { ...model, layer: model.layer, adapted };
}

/** y and the gradients of its sum of squares by the input, A and B. */
function passOf({ layer, adapted }: Pick<ReturnType<typeof adaptedLayer>, "layer" | "adapted">, x: torch.Tensor) {
  const y = layer.forward(x, EVALUATION_WITH_GRADIENT);
  const sources = [x, ...adapted.trained.map(({ tensor }) => tensor)];
  return [y, ...torch.grad([torch.sum(torch.square(y))], sources)] as torch.Tensor[];
}

/** The largest difference over the largest expected magnitude, of tensors with many elements. */
const errorOf = (found: torch.Tensor, expected: torch.Tensor): number =>
  torch.noGrad(() => torch.max(torch.abs(torch.sub(found, expected))).item() / torch.max(torch.abs(expected)).item());

test("a layer whose rows are taken in several parts, of which the last is smaller, computes what W0 + W0 ⊙ (B·A) does", () => {
  const [inputs, outputs] = [2 ** 18, 6]; // 4 rows at a time
  const own = adaptedLayer(inputs, outputs);
  const x = draw([3, inputs], 4, 1 / 512).setRequiresGrad(true);
  const found = passOf(own, x);
  const [a, b] = own.adapted.trained.map(({ tensor }) => tensor) as [torch.Tensor, torch.Tensor];
  const { tensor: weight } = own.layer.weight;
  const whole = torch.add(weight, torch.mul(weight, torch.mm(b, a)));
  const y = torch.add(torch.mm(x, torch.t(whole)), own.layer.bias!.tensor);
  const expected = [y, ...torch.grad([torch.sum(torch.square(y))], [x, a, b])] as torch.Tensor[];
  for (const [i, tensor] of expected.entries()) expect(errorOf(found[i]!, tensor), `${i}`).toBeLessThan(1e-4);
  expect(errorOf(mergedWeight(own.adapted.modules[0]!), whole)).toBeLessThan(1e-6);
});

test("a packed weight gives the bits of the decoded one, and its rows are decoded in parts", () => {
  const own = adaptedLayer(64, 40);
  const format = WEIGHT_FORMATS.get("q8_0")!;
  const parts = [...torch.quantizeWeight(own.layer.weight.tensor, "q8_0")];
  const packed = new PackedWeight(format, [40, 64], "float32", parts);
  const decoded = torch.keep(packed.dense());
  expectSameBits(packed.slice(7, 5), torch.contiguous(torch.narrow(decoded, 0, 7, 5)));
  const x = draw([9, 64], 4).setRequiresGrad(true);
  torch.copy_(own.layer.weight.tensor, decoded);
  const expected = passOf(own, x);
  const before = own.layer.weight.swapValues(packed);
  const found = passOf(own, x);
  for (const [i, tensor] of expected.slice(1).entries()) expectClose(found[i + 1]!, tensor, 1e-5, `${i}`);
  expectClose(found[0]!, expected[0]!, 1e-6);
  own.layer.weight.swapValues(before!);
});

test("an embedding: rows of table ⊙ (1 + (B·A)ᵀ), with A of zeros at first", () => {
  const model = new SmallModel();
  const before = model.forward(IDS, EVALUATION).toArray();
  const adapted = inject(model, configOf(["words"]), { generator: new torch.Generator(3), dtype: "float64" });
  expect(adapted.trained.map(({ name, tensor }) => [name, ...tensor.shape])).toEqual([
    ["words.hira_embedding_A", 3, 11],
    ["words.hira_embedding_B", 6, 3],
  ]);
  expect(model.forward(IDS, EVALUATION).toArray()).toEqual(before);
  const isZero = adapted.trained.map(({ tensor }) => tensor.toArray().every((value) => value === 0));
  expect(isZero).toEqual([true, false]);
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const [a, b] = adapted.trained.map(({ tensor }) => tensor) as [torch.Tensor, torch.Tensor];
  const table = model.words.weight.tensor;
  const whole = torch.add(table, torch.mul(table, torch.t(torch.mm(b, a))));
  const expected = torch.embedding(torch.detach(whole), IDS);
  expectClose(torch.detach(model.words.forward(IDS, EVALUATION)), expected, 1e-12);
});

test("the change has no low rank: as a LoRA it needs that of the whole weight", () => {
  const { adapted } = adaptedLayer(24, 10);
  expect(adapted.modules[0]!.adapter.rank).toBe(10);
  expect(toLora(adapted).relativeError).toBeLessThan(1e-6);
  expect(toLora(adapted, 3).relativeError).toBeGreaterThan(0.1);
});

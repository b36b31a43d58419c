import { afterAll, beforeAll, expect, test } from "vitest";
import { type AdapterConfig, doraConfig, inject, loraConfig } from "../../../src/models/adapters/index.js";
import { EVALUATION, Linear, packLinears } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { native } from "../../../src/torch/native/native.js";
import { expectClose } from "../../parity/goldenFiles.js";
import { IDS, perturb, SmallModel } from "./smallModel.js";

// A level at which products are oneDNN's: packed weights are for these.
const { isaVariant, isaVariants } = torch.engineFacts();
beforeAll(() => native.setIsaVariant(isaVariants[0]!));
afterAll(() => native.setIsaVariant(isaVariant));

const TARGETS = ["query", "value"];
const CONFIGS: [string, AdapterConfig | undefined][] = [
  ["no adapter", undefined],
  ["LoRA", loraConfig({ targetModules: TARGETS, rank: 2 })],
  ["DoRA", doraConfig({ targetModules: TARGETS, rank: 2 })],
  ["DoRA along in", doraConfig({ targetModules: TARGETS, rank: 2, axis: "in" })],
];

const isPacked = (layer: Linear, dtype: torch.DType = "float32") =>
  layer.packedFor(torch.empty([0], { dtype })) !== null;

const linears = (model: SmallModel) =>
  Array.from(model.namedModules(), ([, module]) => module).filter((module) => module instanceof Linear);

test.each(CONFIGS)("packed weights give the same results with %s", (_, config) => {
  const model = new SmallModel("float32");
  if (config) {
    const { trained } = inject(model, config, { generator: new torch.Generator(3), dtype: "float32" });
    perturb(trained.map(({ tensor }) => tensor));
  }
  const plain = torch.noGrad(() => model.forward(IDS, EVALUATION));
  packLinears(model);
  expect(linears(model).every((layer) => isPacked(layer))).toBe(true);
  const packed = torch.noGrad(() => model.forward(IDS, EVALUATION));
  expectClose(packed, plain, 1e-6);
});

test("a packed layer packs again after its weight was replaced or changed in place", () => {
  const layer = new Linear(5, 3);
  layer.weight.fill(torch.ones([3, 5]));
  layer.bias?.fill(torch.zeros([3]));
  const x = torch.ones([2, 5]);
  const y = () => [isPacked(layer), layer.base(x).toArray()];
  layer.pack();
  expect(y()).toEqual([true, new Array(6).fill(5)]);
  layer.weight.fill(torch.zeros([3, 5]));
  expect(y()).toEqual([false, new Array(6).fill(0)]);
  layer.pack();
  torch.fill_(layer.weight.tensor, 2);
  expect(y()).toEqual([false, new Array(6).fill(10)]);
  layer.pack();
  expect(y()).toEqual([true, new Array(6).fill(10)]);
});

test("dtypes without packing stay unpacked", () => {
  const model = new SmallModel("float64");
  packLinears(model);
  expect(linears(model).some((layer) => isPacked(layer, "float64"))).toBe(false);
});

test("nothing is packed if bidora's own kernels do the product", () => {
  native.setIsaVariant(isaVariant);
  const model = new SmallModel("float32");
  packLinears(model);
  const { ownProducts } = torch.engineFacts();
  expect(linears(model).some((layer) => isPacked(layer))).toBe(!ownProducts.includes("float32"));
});

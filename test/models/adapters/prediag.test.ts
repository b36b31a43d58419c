import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  ADAPTER_METHODS,
  attachAdapter,
  inject,
  mergedWeight,
  readAdapter,
  savedTensors,
  toLora,
  whyNotPeft,
  writeAdapter,
} from "../../../src/models/adapters/index.js";
import { EVALUATION, type Linear, SeededMasks } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { expectClose } from "../../parity/goldenFiles.js";
import { EVALUATION_WITH_GRADIENT, IDS, perturb, SmallModel } from "./smallModel.js";

const newFolder = temporaryFolders();
const { prediag } = ADAPTER_METHODS;
const config = prediag.config({ targetModules: ["query", "words"], rank: 2, alpha: 3 });
const ORIGIN = { taskType: "SEQ_CLS", baseModel: "some/base", revision: undefined, metadata: undefined };

function open(dtype: torch.DType = "float64", isTrained = true) {
  const model = new SmallModel(dtype);
  const adapted = inject(model, config, { generator: new torch.Generator(3), dtype });
  if (isTrained) perturb(adapted.trained.map(({ tensor }) => tensor));
  return { model, adapted };
}

test("a new adapter has LoRA's tensors and a diagonal of ones for the outputs, all decayed", () => {
  const { adapted } = open("float64", false);
  expect(adapted.trained.slice(0, 6).map(({ name, tensor, decays }) => [name, [...tensor.shape], decays])).toEqual([
    ["words.lora_embedding_A", [2, 11], true],
    ["words.lora_embedding_B", [6, 2], true],
    ["words.prediag_diagonal", [6], true],
    ["encoder.layer.0.query.lora_A.weight", [2, 6], true],
    ["encoder.layer.0.query.lora_B.weight", [5, 2], true],
    ["encoder.layer.0.query.prediag_diagonal", [5], true],
  ]);
  expect(new Set(adapted.trained[5]!.tensor.toArray())).toEqual(new Set([1]));
});

test("the diagonal multiplies the weight alone, neither the bias nor the update", () => {
  const { adapted } = open();
  const { layer } = adapted.modules.find(({ path }) => path === "encoder.layer.0.query")!;
  const { weight, bias } = layer as Linear;
  const [a, b, d] = adapted.trained.slice(3, 6).map(({ tensor }) => tensor) as [
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
  ];
  const x = torch.tensor(Float64Array.from([0.3, -1, 2, 0.5, 1.5, -0.2]), [1, 6]);
  const update = torch.mulScalar(torch.matmul(torch.matmul(x, torch.t(a)), torch.t(b)), 3 / 2);
  const product = torch.mul(torch.matmul(x, torch.t(weight.tensor)), d);
  const expected = torch.add(torch.add(product, update), bias!.tensor);
  for (const context of [EVALUATION, EVALUATION_WITH_GRADIENT])
    expectClose((layer as Linear).forward(x, context), expected, 1e-14);
});

test("dropout is on the input of the update, not on that of the weight", () => {
  const outputs = (alpha: number) => {
    const model = new SmallModel();
    const settings = { ...config, targetModules: ["query"], dropout: 0.5, alpha, loraBias: true };
    const { trained } = inject(model, prediag.config(settings), {
      generator: new torch.Generator(3),
      dtype: "float64",
    });
    expect(trained.map(({ name }) => name.split(".query.")[1])).not.toContain("lora_B.bias");
    perturb(trained.map(({ tensor }) => tensor));
    return [{ masks: new SeededMasks(5) }, EVALUATION_WITH_GRADIENT].map((context) => model.forward(IDS, context));
  };
  const [dropped, kept] = outputs(3);
  expect(dropped!.toArray()).not.toEqual(kept!.toArray());
  const [withoutUpdate, plain] = outputs(0);
  expect(withoutUpdate!.toArray()).toEqual(plain!.toArray());
});

test("an alpha of 0 leaves the diagonal alone", () => {
  const model = new SmallModel();
  const { trained, modules } = inject(model, prediag.config({ ...config, targetModules: ["query"], alpha: 0 }), {
    generator: new torch.Generator(3),
    dtype: "float64",
  });
  perturb(trained.map(({ tensor }) => tensor));
  const [module] = modules;
  const scaled = torch.mul(module!.layer.weight.tensor, torch.unsqueeze(trained[2]!.tensor, 1));
  expectClose(mergedWeight(module!), scaled, 1e-15);
});

test("is saved in files of bidora's own, which PEFT does not take for a LoRA", async () => {
  const { model, adapted } = open("float32");
  const folder = newFolder();
  writeAdapter(folder, { config, tensors: savedTensors(adapted), ...ORIGIN });
  expect(readdirSync(folder).sort()).toEqual(["bidora.json", "bidora_adapter.safetensors"]);
  expect(whyNotPeft(config)).toBe("PEFT has no Pre-Diag");
  const { adapterConfig } = JSON.parse(readFileSync(join(folder, "bidora.json"), "utf8"));
  expect(adapterConfig).toMatchObject({ peft_type: "PREDIAG", r: 2, lora_alpha: 3 });
  const read = await readAdapter(folder);
  expect(read.config).toEqual(config);
  const again = new SmallModel("float32");
  attachAdapter(again, read, { generator: new torch.Generator(9) });
  expect(again.forward(IDS, EVALUATION).toArray()).toEqual(model.forward(IDS, EVALUATION).toArray());
});

test("converts to a plain LoRA by SVD, with an error at its own rank and none at full rank", () => {
  const { adapted } = open();
  expect(toLora(adapted)).toMatchObject({ config: { rank: 2 } });
  expect(toLora(adapted).relativeError).toBeGreaterThan(0.01);
  expect(toLora(adapted, 6).relativeError).toBeLessThan(1e-6);
});

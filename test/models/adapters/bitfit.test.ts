import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import {
  ADAPTER_METHODS,
  inject,
  readAdapter,
  savedTensors,
  toLora,
  writeAdapter,
} from "../../../src/models/adapters/index.js";
import { Linear, Module } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { SmallModel } from "./smallModel.js";

const newFolder = temporaryFolders();
const open = () =>
  inject(new SmallModel("float32"), ADAPTER_METHODS.bitfit.config({ modulesToSave: ["pre_classifier"] }), {
    generator: new torch.Generator(3),
  });

test("all biases, including those of norms, and the whole head are trained; only the head's weights decay", () => {
  expect(open().trained.map(({ name, decays, role }) => [name, decays, role])).toEqual([
    ["pre_classifier.weight", true, "direction"],
    ["pre_classifier.bias", false, "direction"],
    ["encoder.layer.0.query.bias", false, "direction"],
    ["encoder.layer.1.query.bias", false, "direction"],
    ["norm.bias", false, "direction"],
    ["classifier.bias", false, "direction"],
  ]);
});

test("a model without biases and head is refused: nothing would be trained", () => {
  class NoBiases extends Module {
    readonly query = this.child("query", new Linear(4, 4, { bias: false }));
  }
  const generator = new torch.Generator(3);
  expect(() => inject(new NoBiases(), ADAPTER_METHODS.bitfit.config({}), { generator })).toThrow(
    /bitfit trains biases, but this model has neither biases nor a head: choose another method/,
  );
});

test("it is saved with its settings in files that PEFT does not recognize", async () => {
  const folder = newFolder();
  const adapted = open();
  const origin = { taskType: "TOKEN_CLS", baseModel: "some/base", revision: "v1" };
  writeAdapter(folder, { config: adapted.config, tensors: savedTensors(adapted), metadata: undefined, ...origin });
  expect(readdirSync(folder).sort()).toEqual(["bidora.json", "bidora_adapter.safetensors"]);
  expect(await readAdapter(folder)).toMatchObject({
    config: adapted.config,
    metadata: { method: "bitfit" },
    ...origin,
  });
});

test("it cannot be converted to a LoRA", () => {
  expect(() => toLora(open())).toThrow(/changes no layer's weight.*: merge it instead\./);
});

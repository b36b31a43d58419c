import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import {
  ADAPTER_METHODS,
  attachAdapter,
  inject,
  readAdapter,
  savedTensors,
  toLora,
  writeAdapter,
} from "../../../src/models/adapters/index.js";
import { EVALUATION } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { expectClose, readTensors } from "../../parity/goldenFiles.js";
import { IDS, perturb, SmallModel } from "./smallModel.js";

const newFolder = temporaryFolders();
const config = ADAPTER_METHODS.vera.config({
  targetModules: ["query", "value"],
  rank: 3,
  modulesToSave: ["pre_classifier"],
});
const ORIGIN = { taskType: "SEQ_CLS", baseModel: "some/base", revision: undefined, metadata: undefined };

function open(dtype: torch.DType = "float32") {
  const model = new SmallModel(dtype);
  return { model, adapted: inject(model, config, { generator: new torch.Generator(3), dtype }) };
}

function write() {
  const { model, adapted } = open();
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const folder = newFolder();
  writeAdapter(folder, { config, tensors: savedTensors(adapted), ...ORIGIN });
  return { folder, logits: model.forward(IDS, EVALUATION).toArray() };
}

describe("a new adapter", () => {
  test("has PEFT's names, sizes and values: λ_b 0, λ_d 0.1, both decayed", () => {
    const layer = (path: string, out: number) => [
      [`${path}.vera_lambda_b`, [out], true, new Array(out).fill(0)],
      [`${path}.vera_lambda_d`, [3], true, new Array(3).fill(Math.fround(0.1))],
    ];
    const rows = open().adapted.trained.map(({ name, tensor, decays }) => [
      name,
      [...tensor.shape],
      decays,
      [...tensor.toArray()],
    ]);
    expect(rows.slice(0, -2)).toEqual([
      ...layer("encoder.layer.0.query", 5),
      ...layer("encoder.layer.0.value", 6),
      ...layer("encoder.layer.1.query", 5),
      ...layer("encoder.layer.1.value", 6),
    ]);
    expect(rows.slice(-2).map(([name]) => name)).toEqual(["pre_classifier.weight", "pre_classifier.bias"]);
  });

  test("initializes frozen projections uniformly, for the largest layer", () => {
    const { adapted } = open();
    const [a, b] = ["vera_A", "vera_B"].map((name) => savedTensors(adapted).get(name)!);
    expect([a!.shape, b!.shape, a!.requiresGrad, b!.requiresGrad]).toEqual([[3, 6], [6, 3], false, false]);
    const model = new SmallModel();
    const wide = { ...config, rank: 100 };
    const drawn = savedTensors(inject(model, wide, { generator: new torch.Generator(3) }));
    for (const [name, bound] of [
      ["vera_A", 1],
      ["vera_B", Math.sqrt(6 / 100)],
    ] as const) {
      const values = drawn.get(name)!.toArray();
      const [least, most] = [Math.min(...values), Math.max(...values)];
      expect(most).toBeLessThanOrEqual(bound * (1 + 1e-6));
      expect(most).toBeGreaterThan(0.95 * bound);
      expect(least).toBeGreaterThanOrEqual(-bound * (1 + 1e-6));
      expect(least).toBeLessThan(-0.95 * bound);
    }
  });

  test("supports linear layers only", () => {
    const words = { ...config, targetModules: ["words"] };
    expect(() => inject(new SmallModel(), words, { generator: new torch.Generator(1) })).toThrow(/embedding words/);
  });
});

test("the projections are read from the file, under PEFT's names outside the model", async () => {
  const { folder, logits } = write();
  expect(readdirSync(folder).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
  const names = [...readTensors(join(folder, "adapter_model.safetensors")).keys()];
  expect(names).toEqual(expect.arrayContaining(["base_model.vera_A", "base_model.vera_B"]));
  expect(names.filter((name) => !name.startsWith("base_model.model.")).length).toBe(2);
  const model = new SmallModel("float32");
  attachAdapter(model, await readAdapter(folder), { generator: new torch.Generator(99) });
  expect(model.forward(IDS, EVALUATION).toArray()).toEqual(logits);
});

test("a file without projections is refused with advice on saving them", async () => {
  const { folder } = write();
  const path = join(folder, "adapter_model.safetensors");
  saveSafetensors(
    path,
    [...readTensors(path)].filter(([name]) => name !== "base_model.vera_B"),
    { format: "pt" },
  );
  await expect(readAdapter(folder)).rejects.toThrow(
    /projections are not saved with it, .*set save_projection to true\.$/,
  );
});

test("excluded modules are written as a list of the remaining modules", () => {
  const excluding = { ...config, excludeModules: ["0.query"] };
  const adapted = inject(new SmallModel("float32"), excluding, { generator: new torch.Generator(3) });
  const { render } = ADAPTER_METHODS.vera.codec;
  const left = ["encoder.layer.0.value", "encoder.layer.1.query", "encoder.layer.1.value"];
  expect(adapted.modules.map(({ path }) => path)).toEqual(left);
  expect(render(excluding, left)).toMatchObject({ target_modules: left });
  expect(render(excluding, left)).not.toHaveProperty("exclude_modules");
});

test("converts to a plain LoRA of its rank without error", () => {
  const { model, adapted } = open("float64");
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const lora = toLora(adapted);
  expect(lora.config).toMatchObject({ method: "lora", rank: 3, alpha: 3, targetModules: ["query", "value"] });
  expect([...lora.tensors.keys()].some((name) => name.includes("vera"))).toBe(false);
  expect(lora.relativeError).toBeLessThan(1e-6);
  const fresh = new SmallModel("float64");
  attachAdapter(fresh, { ...lora, ...ORIGIN }, { generator: new torch.Generator(4), dtype: "float64" });
  expectClose(fresh.forward(IDS, EVALUATION), model.forward(IDS, EVALUATION), 1e-6);
});

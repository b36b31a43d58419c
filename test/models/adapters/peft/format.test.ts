import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { saveSafetensors } from "../../../../src/formats/safetensors/safetensors.js";
import {
  attachAdapter,
  type DoraConfig,
  doraConfig,
  inject,
  loraConfig,
  readAdapter,
  type SavedAdapter,
  writeAdapter,
} from "../../../../src/models/adapters/index.js";
import { EVALUATION } from "../../../../src/models/nn/index.js";
import * as torch from "../../../../src/torch/index.js";
import { temporaryFolders } from "../../../formats/temporaryFolder.js";
import { GOLDEN, readJson, readTensors } from "../../../parity/goldenFiles.js";
import { IDS, perturb, SmallModel } from "../smallModel.js";

const newFolder = temporaryFolders();
const ORIGIN = { taskType: "SEQ_CLS", baseModel: "some/base", revision: undefined };
const SAVED_BY_PEFT = ["bert/adapters", "rivals/bert", "rivals/gpt2", "rivals/llama"].flatMap((at) =>
  readdirSync(join(GOLDEN, at))
    .filter((name) => !name.includes("."))
    .map((name) => `${at}/${name}`),
);

test.each(SAVED_BY_PEFT)("%s: an adapter that PEFT saved is written with the same bytes", async (name) => {
  const folder = newFolder();
  writeAdapter(folder, await readAdapter(join(GOLDEN, name)));
  expect(readdirSync(folder).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
  // A list of one may be written as the name alone, and a head's biases up to three times.
  const config = readJson<Record<string, unknown>>(join(GOLDEN, name, "adapter_config.json"));
  // λ of each layer is among the tensors, and PEFT gives all layers of HiRA the same rank.
  if ("lambda_pattern" in config) config.lambda_pattern = {};
  if (config.peft_type === "HIRA") config.rank_pattern = {};
  if (typeof config.layers_pattern === "string") config.layers_pattern = [config.layers_pattern];
  expect(readJson(join(folder, "adapter_config.json"))).toEqual(config);
  if (config.bias === "all") return;
  const [written, original] = [folder, join(GOLDEN, name)].map((at) =>
    readFileSync(join(at, "adapter_model.safetensors")),
  );
  expect(written!.equals(original!)).toBe(true);
});

/** A trained adapter of the small model, as it would be saved. */
function saved(
  config: SavedAdapter["config"],
  metadata?: SavedAdapter["metadata"],
): { adapter: SavedAdapter; logits: number[] } {
  const model = new SmallModel("float32");
  const { trained } = inject(model, config, { generator: new torch.Generator(3) });
  perturb(trained.map(({ tensor }) => tensor));
  const tensors = new Map(trained.map(({ name, tensor }) => [name, tensor]));
  return { adapter: { config, tensors, metadata, ...ORIGIN }, logits: model.forward(IDS, EVALUATION).toArray() };
}

function logitsOf(adapter: SavedAdapter): number[] {
  const model = new SmallModel("float32");
  attachAdapter(model, adapter, { generator: new torch.Generator(9) });
  return model.forward(IDS, EVALUATION).toArray();
}

describe("magnitudes along in", () => {
  const config = doraConfig({
    targetModules: ["query", "value"],
    axis: "in",
    normGradient: "full",
    modulesToSave: ["classifier"],
  });

  test("are saved in files that PEFT does not recognize, and read back", async () => {
    const folder = newFolder();
    const { adapter, logits } = saved(config, { method: "bidora", labels: ["a", "b", "c"], phase: "retrain" });
    writeAdapter(folder, adapter);
    expect(readdirSync(folder).sort()).toEqual(["bidora.json", "bidora_adapter.safetensors"]);
    const read = await readAdapter(folder);
    expect(read.config).toEqual(config);
    expect(read.metadata).toEqual({ ...adapter.metadata, axis: "in", normGradient: "full" });
    expect([read.baseModel, read.taskType]).toEqual(["some/base", "SEQ_CLS"]);
    expect(logitsOf(read)).toEqual(logits);
  });

  test("along out, the metadata file keeps the settings that PEFT has no key for", async () => {
    const folder = newFolder();
    const metadata = {
      method: "bidora",
      normGradient: "full",
      task: "regression",
      labels: [],
      maxLength: 40,
      textColumns: ["a", "b"],
    } as const;
    const { adapter, logits } = saved(doraConfig({ ...config, axis: "out" }), {
      ...metadata,
      labels: [],
      textColumns: ["a", "b"],
    });
    writeAdapter(folder, adapter);
    const read = await readAdapter(folder);
    expect(read.config).toEqual(doraConfig({ ...config, axis: "out" }));
    expect(read.metadata).toEqual({ ...metadata, axis: "out" });
    expect(logitsOf(read)).toEqual(logits);
  });

  test.each(["in", "out"] as const)(
    "along %s, an error about the axis names bidora.json, which holds it",
    async (axis) => {
      const folder = newFolder();
      writeAdapter(folder, saved(doraConfig({ ...config, axis }), { method: "bidora" }).adapter);
      const path = join(folder, "bidora.json");
      writeFileSync(path, JSON.stringify({ ...readJson<object>(path), axis: "down" }));
      await expect(readAdapter(folder)).rejects.toThrow(
        expect.objectContaining({ code: "SIDE_FILE", message: expect.stringContaining(`${path} is not valid: axis:`) }),
      );
    },
  );
});

test("float64 tensors are saved in float32, and all-linear as the modules that it matched", async () => {
  const model = new SmallModel();
  const config = loraConfig({ targetModules: "all-linear", modulesToSave: ["classifier"] });
  const { trained } = inject(model, config, { generator: new torch.Generator(3), dtype: "float64" });
  const folder = newFolder();
  writeAdapter(folder, {
    config,
    tensors: new Map(trained.map(({ name, tensor }) => [name, tensor])),
    metadata: undefined,
    ...ORIGIN,
  });
  const tensors = readTensors(join(folder, "adapter_model.safetensors"));
  expect(Array.from(tensors.values()).every(({ dtype }) => dtype === "float32")).toBe(true);
  expect(readJson<{ target_modules: string[] }>(join(folder, "adapter_config.json")).target_modules).toEqual(
    [0, 1].flatMap((i) => [`encoder.layer.${i}.query`, `encoder.layer.${i}.value`]),
  );
});

describe("a saved DoRA adapter", () => {
  const config = doraConfig({ targetModules: ["query", "words"], modulesToSave: ["classifier"] });
  let folder: string;
  let logits: number[];
  beforeEach(() => {
    folder = newFolder();
    const made = saved(config);
    logits = made.logits;
    writeAdapter(folder, made.adapter);
  });

  /** Rewrites the tensors: `change` gives the new name, or undefined to drop one. */
  function rewrite(change: (name: string) => string | undefined, more: [string, torch.Tensor][] = []): void {
    const path = join(folder, "adapter_model.safetensors");
    const tensors = Array.from(readTensors(path), ([name, tensor]) => [change(name), tensor] as const);
    const kept = tensors.filter((pair): pair is [string, torch.Tensor] => pair[0] !== undefined);
    saveSafetensors(path, [...kept, ...more], { format: "pt" });
  }

  function configure(change: object): void {
    const path = join(folder, "adapter_config.json");
    writeFileSync(path, JSON.stringify({ ...readJson<object>(path), ...change }));
  }

  test("may lack the prefix or target_modules, or have PEFT's old names of magnitudes", async () => {
    rewrite((name) => name.replace("base_model.model.", "").replace(/magnitude_vector$/, "magnitude_vector.weight"));
    configure({ target_modules: null });
    const read = await readAdapter(folder);
    expect((read.config as DoraConfig).targetModules).toEqual([
      "encoder.layer.0.query",
      "encoder.layer.1.query",
      "words",
    ]);
    expect(logitsOf(read)).toEqual(logits);
  });

  test("may contain the model's own embedding table, but no other", async () => {
    const table = new SmallModel("float32").words.weight.tensor;
    rewrite((name) => name, [["base_model.model.words.base_layer.weight", torch.to(table, "bfloat16")]]);
    expect(logitsOf(await readAdapter(folder))).toEqual(logits);
    rewrite(
      (name) => (name.includes("base_layer") ? undefined : name),
      [["base_model.model.words.base_layer.weight", torch.addScalar(table, 0.1)]],
    );
    const other = await readAdapter(folder);
    expect(() => logitsOf(other)).toThrow(/words\.base_layer\.weight, which differs/);
    rewrite(
      (name) => (name.includes("base_layer") ? undefined : name),
      [["base_model.model.words.base_layer.weight", torch.zeros([12, 6])]],
    );
    const longer = await readAdapter(folder);
    expect(() => logitsOf(longer)).toThrow(
      /words\.base_layer\.weight has shape \[12, 6\], but the model needs \[11, 6\]/,
    );
  });

  test("is refused if magnitudes and use_dora contradict each other", async () => {
    configure({ use_dora: false });
    await expect(readAdapter(folder)).rejects.toThrow(/use_dora is false, but there is a .*lora_magnitude_vector/);
    configure({ use_dora: true });
    rewrite((name) => (name.endsWith("0.query.lora_magnitude_vector") ? undefined : name));
    await expect(readAdapter(folder)).rejects.toThrow(/use_dora is true, but encoder\.layer\.0\.query has no/);
  });

  test.each<[string, (name: string) => string | undefined, RegExp]>([
    [
      "a tensor of an unknown module",
      (name) => name.replace("layer.1.query", "layer.7.query"),
      /no module of the model: encoder\.layer\.7\.query\.lora_A\.weight, .*; is it for another/,
    ],
    [
      "a missing half",
      (name) => (name.endsWith("1.query.lora_B.weight") ? undefined : name),
      /lacks .*: encoder\.layer\.1\.query\.lora_B\.weight\./,
    ],
    [
      "a missing head",
      (name) => (name.endsWith("classifier.bias") ? undefined : name),
      /lacks .*: .*classifier\.bias\./,
    ],
  ])("does not fit with %s, and leaves the model unchanged", async (_, change, message) => {
    rewrite(change);
    const adapter = await readAdapter(folder);
    const model = new SmallModel("float32");
    const before = model.forward(IDS, EVALUATION).toArray();
    expect(() => attachAdapter(model, adapter, { generator: new torch.Generator(1) })).toThrow(message);
    expect(model.forward(IDS, EVALUATION).toArray()).toEqual(before);
  });

  test("does not fit if a shape differs: the message has the name and both shapes", async () => {
    configure({ r: 4 });
    const adapter = await readAdapter(folder);
    expect(() => logitsOf(adapter)).toThrow(
      /words\.lora_embedding_A has shape \[8, 11\], but the model needs \[4, 11\]/,
    );
  });

  test("is refused as a pickle, without weights, or without a configuration", async () => {
    const weights = join(folder, "adapter_model.safetensors");
    renameSync(weights, join(folder, "adapter_model.bin"));
    await expect(readAdapter(folder)).rejects.toThrow(/adapter_model\.bin is a pickle.*save_pretrained/);
    rmSync(join(folder, "adapter_model.bin"));
    await expect(readAdapter(folder)).rejects.toThrow(/has no adapter_model\.safetensors/);
    rmSync(join(folder, "adapter_config.json"));
    await expect(readAdapter(folder)).rejects.toThrow(/has no adapter_config\.json; expected/);
    await expect(readAdapter(join(folder, "absent"))).rejects.toThrow(/is not a folder/);
  });

  test("in a subfolder is named in the message", async () => {
    const outer = newFolder();
    cpSync(folder, join(outer, "mine"), { recursive: true });
    await expect(readAdapter(outer)).rejects.toThrow(/there is an adapter in .*mine/);
  });

  test("with two tensors of one name is refused", async () => {
    rewrite((name) => name, [["classifier.bias", torch.zeros([3])]]);
    await expect(readAdapter(folder)).rejects.toThrow(/two tensors for classifier\.bias/);
  });

  test.each([
    [{ formatVersion: 2, method: "dora" }, /format version 2, but this version of bidora reads 1/],
    [{ formatVersion: 1, method: "dora", axis: "across" }, /is not valid: axis/],
    [{ formatVersion: 1 }, /is not valid: method/],
  ])("with the metadata file %j is refused", async (metadata, message) => {
    writeFileSync(join(folder, "bidora.json"), JSON.stringify(metadata));
    await expect(readAdapter(folder)).rejects.toThrow(message);
  });

  test("whose settings are only in the metadata file is refused for an impossible module name", async () => {
    rmSync(join(folder, "adapter_config.json"));
    const adapterConfig = { peft_type: "LORA", rank_pattern: JSON.parse('{"__proto__":1}') };
    writeFileSync(join(folder, "bidora.json"), JSON.stringify({ formatVersion: 1, method: "dora", adapterConfig }));
    await expect(readAdapter(folder)).rejects.toThrow(/bidora\.json: rank_pattern is \{"__proto__":1\}/);
  });
});

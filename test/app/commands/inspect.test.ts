import { spawnSync } from "node:child_process";
import { cpSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inspect, renderInspection } from "../../../src/app/commands/models/inspect.js";
import { writeSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import { ADAPTER_METHODS, type AdapterConfig } from "../../../src/models/adapters/index.js";
import type { AdapterInspection, ModelInspection } from "../../../src/use/inference/inspection.js";
import { bytesEntry } from "../../formats/bytesEntry.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { GOLDEN, readJson, readTensors } from "../../parity/goldenFiles.js";
import { tinyAdapter } from "../../use/export/gguf/tinyModels.js";

const newFolder = temporaryFolders();

function copyOf(path: string): string {
  const folder = newFolder();
  cpSync(join(GOLDEN, path), folder, { recursive: true });
  return folder;
}

function configure(file: string, change: object): void {
  writeFileSync(file, JSON.stringify({ ...readJson<object>(file), ...change }));
}

test.each([
  "bert/single",
  "bert/sharded",
  "bert/no-prefix",
  "bert/old-names",
  "roberta/tokens",
  "camembert/tokens",
  "gpt2/lm",
])("%s: a model that is taken as it is", async (path) => {
  const found = (await inspect({ path: join(GOLDEN, path) })) as ModelInspection;
  expect(found.refusals).toEqual([]);
  expect([found.kind, found.modelType]).toEqual(["model", path.split("/")[0]]);
  expect(found.bytes).toBe(4 * found.parameters);
  expect(renderInspection(found)).toContain("Nothing in it is refused.");
});

test("how a model of sentence-transformers makes embeddings is shown", async () => {
  const found = (await inspect({ path: join(GOLDEN, "embeddings/bert-cls-prompt") })) as ModelInspection;
  expect(found.embedding).toMatchObject({ pooling: "cls" });
  expect(renderInspection(found)).toMatch(
    /^embeddings +cls pooling; up to 20 tokens; prompts document, query \(default\)$/m,
  );
  const folder = copyOf("embeddings/bert-cls-prompt");
  configure(join(folder, "1_Pooling/config.json"), {
    pooling_mode: "max",
    pooling_mode_cls_token: false,
    pooling_mode_max_tokens: true,
  });
  const refused = (await inspect({ path: folder })) as ModelInspection;
  expect(refused.embedding).toBeNull();
  expect(refused.refusals.join()).toContain("max");
});

test("a GGUF file is counted by its quantization types", async () => {
  const found = (await inspect({ path: join(GOLDEN, "io/gguf/smollm.gguf") })) as ModelInspection;
  expect(found).toMatchObject({ kind: "model", modelType: "llama", refusals: [] });
  expect(found.path).toBe(join(GOLDEN, "io/gguf/smollm.gguf"));
  expect(renderInspection(found)).toMatch(/^head +causal-lm$/m);
  expect(Object.keys(found.dtypes).sort()).toEqual(["BF16", "F16", "F32", "Q4_1", "Q5_0", "Q8_0"]);
  const [embeddings] = found.tensors.filter(({ name }) => name === "model.embed_tokens.weight");
  expect(embeddings).toMatchObject({ dtype: "F32", storedAs: "Q8_0" });
  // 34 bytes for 32 elements.
  const [rows, columns] = embeddings!.shape as [number, number];
  const others = found.tensors.filter(({ storedAs }) => storedAs === undefined);
  expect(found.bytes).toBeGreaterThan((rows * columns * 34) / 32 + 2 * others.length);
  expect(found.bytes).toBeLessThan(2 * found.parameters);
  expect(renderInspection(found)).toMatch(/model\.layers\.\*\.self_attn\.q_proj\.weight +Q4_1 {2}\[32, 32\] ×2/);
});

test("a model's facts", async () => {
  const found = (await inspect({ path: join(GOLDEN, "bert/tokens") })) as ModelInspection;
  const tensors = readTensors(join(GOLDEN, "bert/tokens/model.safetensors"));
  expect(found.parameters).toBe([...tensors.values()].reduce((sum, { numel }) => sum + numel, 0));
  expect(found.head).toEqual({
    kind: "token-classification",
    labels: ["O", "B-THING", "I-THING", "B-PLACE", "I-PLACE"],
  });
  expect(found.architectures).toEqual(["BertForTokenClassification"]);
  expect(renderInspection(found)).toMatch(/bert\.encoder\.layer\.\*\.output\.dense\.weight +F32 {2}\[36, 52\] ×2/);
});

test("an adapter's facts", async () => {
  const found = (await inspect({ path: join(GOLDEN, "bert/adapters/rslora-patterns") })) as AdapterInspection;
  expect(found.refusals).toEqual([]);
  expect(found.settings).toMatchObject({
    method: "lora",
    axis: null,
    rank: 4,
    alpha: 6,
    rslora: true,
    task: "SEQ_CLS",
  });
  const value = found.settings!.modules.find(({ path }) => path === "bert.encoder.layer.0.attention.self.value");
  expect(value).toEqual({ path: value!.path, rank: 6, scale: 2.5 / Math.sqrt(6) });
  expect(renderInspection(found)).toMatch(/scale .*3 at rank 4.*1\.02062 at rank 6/);
});

test("what PEFT does not load, or computes otherwise, is said", async () => {
  const inPeft = async (path: string) => ((await inspect({ path })) as AdapterInspection).settings!.notInPeft;
  const started = (name: string) => {
    const folder = copyOf(name);
    configure(join(folder, "adapter_config.json"), { init_lora_weights: "olora" });
    return folder;
  };
  const transposed = started("gpt2/adapters/lm-lora");
  expect(await inPeft(transposed)).toMatch(/PEFT's OLoRA fails on GPT-2's Conv1D/);
  expect(renderInspection(await inspect({ path: transposed }))).toMatch(
    /^not in PEFT +PEFT's OLoRA .*--to peft-lora$/m,
  );
  expect(await inPeft(started("llama/adapters/lm-lora"))).toBeUndefined();

  const llama = join(GOLDEN, "llama/lm");
  const adapted = (config: AdapterConfig) => tinyAdapter(newFolder(), llama, config);
  const { hira, lora, dora } = ADAPTER_METHODS;
  const targetModules = ["embed_tokens"];
  expect(await inPeft(await adapted(hira.config({ targetModules })))).toMatch(/scale that Gemma 3 multiplies/);
  expect(await inPeft(await adapted(hira.config({ targetModules: ["q_proj"] })))).toBeUndefined();
  expect(await inPeft(await adapted(lora.config({ targetModules })))).toBeUndefined();
  const along = dora.config({ targetModules: ["q_proj"], axis: "in" });
  expect(await inPeft(await adapted(along))).toBe("PEFT has no magnitudes along in");
});

test("refusals are listed beside everything that can be read", async () => {
  const adapter = copyOf("bert/adapters/dora");
  configure(join(adapter, "adapter_config.json"), { init_lora_weights: "corda" });
  const changedBase = (await inspect({ path: adapter })) as AdapterInspection;
  expect(changedBase.refusals).toEqual([expect.stringContaining("changes the base weights")]);
  expect([changedBase.settings, changedBase.tensors.length > 0]).toEqual([null, true]);

  const family = copyOf("bert/single");
  configure(join(family, "config.json"), { model_type: "t5" });
  expect((await inspect({ path: family })).refusals).toEqual([
    expect.stringContaining('model_type "t5" is not supported'),
  ]);

  const activation = copyOf("bert/single");
  configure(join(activation, "config.json"), { hidden_act: "constructor" });
  expect((await inspect({ path: activation })).refusals).toEqual([
    expect.stringContaining('activation "constructor" is not supported'),
  ]);

  const pickle = copyOf("bert/single");
  renameSync(join(pickle, "model.safetensors"), join(pickle, "pytorch_model.bin"));
  expect((await inspect({ path: pickle })).refusals).toEqual([
    expect.stringContaining("pytorch_model.bin, which is not supported"),
  ]);

  const misshapen = copyOf("bert/single");
  configure(join(misshapen, "config.json"), { intermediate_size: 60, num_hidden_layers: 4 });
  const { refusals } = await inspect({ path: misshapen });
  expect(refusals).toContain(
    "bert.encoder.layer.0.intermediate.dense.weight has shape [52, 36], but config.json requires [60, 36].",
  );
  expect(refusals).toContain("The weight bert.encoder.layer.3.attention.self.query.weight is missing.");

  const quantized = copyOf("bert/single");
  writeSafetensors(join(quantized, "model.safetensors"), [bytesEntry("x", "F8_E4M3", [4], new Uint8Array(4))]);
  expect((await inspect({ path: quantized })).refusals).toContain(
    "Tensors of dtype F8_E4M3 are not supported; convert them to F32 or BF16.",
  );
});

test("absurd sizes take neither memory nor time, and a weight of integers is refused", async () => {
  const sizes = copyOf("bert/single");
  const absurd = { num_labels: 1e9, id2label: null, label2id: null, num_hidden_layers: 1e6, hidden_size: 36e9 };
  configure(join(sizes, "config.json"), absurd);
  const before = process.memoryUsage().heapTotal;
  expect((await inspect({ path: sizes })).refusals).toEqual([
    expect.stringMatching(/num_labels is 1000000000; expected at most/),
    expect.stringMatching(/it has 1000000 layers, but the checkpoint has only \d+ tensors/),
  ]);
  expect(process.memoryUsage().heapTotal - before).toBeLessThan(2e8);

  const whole = copyOf("bert/no-prefix");
  const name = "embeddings.LayerNorm.weight";
  writeSafetensors(join(whole, "model.safetensors"), [bytesEntry(name, "I64", [36], new Uint8Array(288))]);
  expect((await inspect({ path: whole })).refusals).toContain(`${name} has dtype I64, but weights are floats.`);
});

test("a folder that is neither is an error", async () => {
  await expect(inspect({ path: newFolder() })).rejects.toThrow(/no config\.json/);
});

test("more tensors than a function call takes arguments", async () => {
  const folder = copyOf("bert/single");
  const names = Array.from({ length: 200_000 }, (_, i) => `t${i}`);
  const entries = names.map((name) => [name, { dtype: "F32", shape: [0], data_offsets: [0, 0] }]);
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(join(folder, "model.safetensors"), Buffer.concat([length, header]));
  expect(renderInspection(await inspect({ path: folder }))).toContain("t199999  F32  [0]");
});

test.each(["model.safetensors", "config.json"])("a pipe called %s is refused by name, at once", async (name) => {
  const folder = copyOf("bert/single");
  rmSync(join(folder, name));
  spawnSync("mkfifo", [join(folder, name)]);
  const refusals = await inspect({ path: folder }).then(
    (found) => found.refusals,
    (error: Error) => [error.message],
  );
  expect(refusals).toEqual([
    `${join(folder, name)} is a pipe, but a regular file is expected: write its contents to a file first.`,
  ]);
});

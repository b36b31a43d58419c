import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { exportModel } from "../../../src/app/commands/models/export.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import {
  type AdapterMetadata,
  attachAdapter,
  doraConfig,
  inject,
  readAdapter,
  writeAdapter,
} from "../../../src/models/adapters/index.js";
import { loadModel, modelInput } from "../../../src/models/index.js";
import { EVALUATION } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { open } from "../../../src/use/inference/open.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { headFor } from "../../models/ownHead.js";
import { expectClose, GOLDEN, readJson, readTensors, relativeError, tokenRows } from "../../parity/goldenFiles.js";

const newFolder = temporaryFolders();
const BERT = join(GOLDEN, "bert");
const ROBERTA = join(GOLDEN, "roberta");

const INPUT = modelInput(tokenRows([4, 2], [2, 9, 30, 3, 2, 3]));

async function logitsOf(model: string, adapter?: string): Promise<torch.Tensor> {
  const opened = await open({ model, adapter }, { dtype: "float32" });
  return opened.model.forward(INPUT, EVALUATION);
}

function settings(model: string | undefined, adapter: string, output: string, overwrite = false) {
  return { model, adapter, output, overwrite, revision: undefined };
}

test.each(["merge", "gguf-lora", "onnx"] as const)(
  "%s notes a tokenizer that came with the adapter, since the base model's is used",
  async (to) => {
    const [model, adapter] = [join(GOLDEN, "llama", "lm"), newFolder()];
    cpSync(join(GOLDEN, "llama", "adapters", "lm-lora"), adapter, { recursive: true });
    cpSync(join(model, "tokenizer.json"), join(adapter, "tokenizer.json"));
    const config = readJson<object>(join(model, "tokenizer_config.json"));
    const own = { ...config, eos_token: "the", chat_template: "{{ messages[0].content }}" };
    writeFileSync(join(adapter, "tokenizer_config.json"), JSON.stringify(own));
    const notes: string[] = [];
    const hooks = { onNote: (note: string) => void notes.push(note) };
    const output = join(newFolder(), to === "gguf-lora" ? "adapter.gguf" : "model");
    if (to === "merge") await merge(settings(model, adapter, output), hooks);
    else await exportModel({ model, adapter, to, output }, hooks);
    expect(notes).toEqual([
      expect.stringContaining("another chat template than the one that is used"),
      expect.stringContaining("another eos_token than the base model"),
    ]);
  },
);

test.each([
  [BERT, "single", "dora-embedding", "BertForSequenceClassification", "single_label_classification"],
  [BERT, "single", "lora-b-bias", "BertForSequenceClassification", "single_label_classification"],
  [ROBERTA, "multi", "multi-dora", "RobertaForSequenceClassification", "multi_label_classification"],
  [ROBERTA, "regression", "regression-lora", "RobertaForSequenceClassification", "regression"],
  [BERT, "tokens", "tokens-dora", "BertForTokenClassification", undefined],
])("%s/%s with %s is one plain model", async (family, checkpoint, name, architecture, problem) => {
  const [model, adapter] = [join(family, checkpoint), join(family, "adapters", name)];
  const output = join(newFolder(), "deep", "merged");
  expect(await merge(settings(model, adapter, output))).toEqual({ path: output });

  expectClose(await logitsOf(output), await logitsOf(model, adapter), 1e-5);
  const [config, original] = [output, model].map((folder) =>
    readJson<Record<string, unknown>>(join(folder, "config.json")),
  );
  expect(config!.architectures).toEqual([architecture]);
  expect(config!.problem_type).toBe(problem);
  expect(config!.id2label).toEqual(original!.id2label);
  expect(config!.num_labels).toBe(Object.keys(original!.id2label as object).length);
  const [weights, before] = [output, model].map((folder) => readTensors(join(folder, "model.safetensors")));
  expect([...weights!.keys()].sort()).toEqual([...before!.keys()].sort());
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
    expect(readFileSync(join(output, file)).equals(readFileSync(join(model, file)))).toBe(true);
  }
  expect(readdirSync(join(output, ".."))).toEqual(["merged"]);
});

test("a checkpoint of several dtypes is merged in the widest, and none of its weights is rounded", async () => {
  const model = newFolder();
  cpSync(join(BERT, "sharded"), model, { recursive: true });
  const [first] = readdirSync(model).filter((file) => file.endsWith(".safetensors"));
  const narrow = [...readTensors(join(model, first!))].map(
    ([name, tensor]) => [name, torch.to(tensor, "bfloat16")] as const,
  );
  saveSafetensors(join(model, first!), narrow, { format: "pt" });
  const output = join(newFolder(), "merged");
  await merge(settings(model, join(BERT, "adapters", "lora"), output));
  const [merged, original] = [join(output, "model.safetensors"), join(BERT, "single", "model.safetensors")].map(
    readTensors,
  );
  const rounded = new Map(narrow);
  for (const [name, tensor] of merged!) {
    expect(tensor.dtype, name).toBe("float32");
    if (/query|value|classifier/.test(name)) continue;
    const own = rounded.get(name);
    expect(tensor.toArray(), name).toEqual((own ?? original!.get(name)!).toArray());
  }
});

test("float16 and bfloat16 are merged in float32, which represents both", async () => {
  const model = newFolder();
  cpSync(join(BERT, "single"), model, { recursive: true });
  const path = join(model, "model.safetensors");
  const halves = [...readTensors(path)].map(
    ([name, tensor], i) => [name, torch.to(tensor, i % 2 ? "bfloat16" : "float16")] as const,
  );
  saveSafetensors(path, halves, { format: "pt" });
  const output = join(newFolder(), "merged");
  await merge(settings(model, join(BERT, "adapters", "lora"), output));
  const merged = readTensors(join(output, "model.safetensors"));
  for (const [name, tensor] of halves) {
    if (/query|value|classifier/.test(name)) continue;
    expect(merged.get(name)!.toArray(), name).toEqual(tensor.toArray());
  }
});

/** A DoRA adapter of its own head for a bare encoder, whose pooler and classifier are drawn. */
async function freshAdapter(
  axis: "out" | "in",
  metadata: AdapterMetadata,
): Promise<{ folder: string; logits: torch.Tensor }> {
  const generator = new torch.Generator(5);
  const { model, trainedModules } = await loadModel(join(BERT, "no-prefix"), {
    ...headFor("sequence-classification", 2),
    dtype: "float32",
    generator,
  });
  const config = doraConfig({ targetModules: ["query"], axis, modulesToSave: trainedModules });
  const { trained } = inject(model, config, { generator });
  torch.noGrad(() => {
    for (const { tensor } of trained)
      torch.add_(tensor, torch.normal_(torch.empty(tensor.shape), 0, 0.1, { generator }));
  });
  const folder = newFolder();
  const tensors = new Map(trained.map(({ name, tensor }) => [name, tensor]));
  const origin = { taskType: "SEQ_CLS", baseModel: join(BERT, "no-prefix"), revision: undefined };
  writeAdapter(folder, { config, tensors, metadata, ...origin });
  return { folder, logits: model.forward(INPUT, EVALUATION) };
}

test.each(["out", "in"] as const)(
  "magnitudes along %s, a drawn head, and a base that only the adapter names",
  async (axis) => {
    const metadata: AdapterMetadata = { method: "bidora", task: "sequence-classification", labels: ["no", "yes"] };
    const { folder, logits } = await freshAdapter(axis, metadata);
    const output = join(newFolder(), "merged");
    await merge(settings(undefined, folder, output));
    expectClose(await logitsOf(output), logits, 1e-5);
    const config = readJson<{ architectures: string[]; id2label: object }>(join(output, "config.json"));
    expect(config.architectures).toEqual(["BertForSequenceClassification"]);
    expect(config.id2label).toEqual({ 0: "no", 1: "yes" });
    expect([...readTensors(join(output, "model.safetensors")).keys()]).toContain("bert.pooler.dense.weight");

    const lora = join(newFolder(), "lora");
    await exportModel({ ...settings(undefined, folder, lora), to: "peft-lora", rank: 36 });
    expectClose(await logitsOf(join(BERT, "no-prefix"), lora), logits, 1e-5);
    const exported = await readAdapter(lora);
    expect(exported.config.method).toBe("lora");
    expect(exported.metadata).toEqual({ ...metadata, method: "lora" });
  },
);

test.each(["bfloat16", "float16", "float64"] as const)(
  "a base in %s gives a model in it, rounded once",
  async (dtype) => {
    const base = join(newFolder(), "base");
    cpSync(join(BERT, "single"), base, { recursive: true });
    const path = join(base, "model.safetensors");
    saveSafetensors(
      path,
      Array.from(readTensors(path), ([name, tensor]) => [name, torch.to(tensor, dtype)] as const),
    );
    const adapter = join(BERT, "adapters/dora");
    const output = join(newFolder(), "merged");
    await merge(settings(base, adapter, output));

    const [merged, before] = [readTensors(join(output, "model.safetensors")), readTensors(path)];
    const untouched = "bert.encoder.layer.0.output.dense.weight";
    expect(merged.get(untouched)!.bytes()).toEqual(before.get(untouched)!.bytes());
    for (const tensor of merged.values()) expect(tensor.dtype).toBe(dtype);
    expect(readJson<{ dtype: string }>(join(output, "config.json")).dtype).toBe(dtype);
    const error = relativeError(await logitsOf(output), await logitsOf(base, adapter));
    expect(error).toBeLessThan({ bfloat16: 0.05, float16: 0.005, float64: 1e-5 }[dtype]);
  },
);

describe("the output folder", () => {
  const [model, adapter] = [join(BERT, "single"), join(BERT, "adapters/lora")];

  test("is not touched if it is not empty, unless --overwrite is given", async () => {
    const output = newFolder();
    writeFileSync(join(output, "notes.txt"), "mine");
    await expect(merge(settings(model, adapter, output))).rejects.toThrow(/is not empty.*--overwrite/);
    expect(readdirSync(output)).toEqual(["notes.txt"]);
    await merge(settings(model, adapter, output, true));
    expect(existsSync(join(output, "notes.txt"))).toBe(true);
    expect(existsSync(join(output, "model.safetensors"))).toBe(true);
  });

  test("is never the base, the adapter, or a folder around them", async () => {
    const around = newFolder();
    const inside = join(around, "adapter");
    cpSync(adapter, inside, { recursive: true });
    for (const output of [inside, around]) {
      await expect(merge(settings(model, inside, output, true))).rejects.toThrow(
        /cannot be replaced, because .*adapter is in it/,
      );
    }
    await expect(merge(settings(model, adapter, ".", true))).rejects.toThrow(/cannot be replaced/);
    expect(readdirSync(inside).sort()).toEqual(readdirSync(adapter).sort());
  });

  test("may exist if it is empty, and is not created if something is wrong", async () => {
    const parent = newFolder();
    const output = join(parent, "out");
    await expect(merge(settings(join(ROBERTA, "single"), adapter, output))).rejects.toThrow(/does not fit/);
    await expect(merge(settings(undefined, adapter, output))).rejects.toThrow(/does not name its base/);
    expect(readdirSync(parent)).toEqual([]);
    mkdirSync(output);
    await merge(settings(model, adapter, output));
    expect(readdirSync(parent)).toEqual(["out"]);
  });
});

test("export reports the relative error of the weights", async () => {
  const [model, adapter] = [join(BERT, "single"), join(BERT, "adapters/dora-wide")];
  const output = join(newFolder(), "lora");
  const { note, relativeError: error = Number.NaN } = await exportModel({
    ...settings(model, adapter, output),
    to: "peft-lora",
    rank: 4,
  });
  expect(error).toBeGreaterThan(0.05);
  expect(error).toBeLessThan(0.8);
  expect(note).toContain(error.toPrecision(3));
  const { config, tensors } = await readAdapter(output);
  expect(config).toMatchObject({ method: "lora", rank: 4, alpha: 4 });
  const fresh = await open({ model, adapter: undefined }, { dtype: "float32" });
  attachAdapter(fresh.model, await readAdapter(output), { generator: new torch.Generator(0) });
  expect([...tensors.keys()].some((name) => name.includes("magnitude"))).toBe(false);
});

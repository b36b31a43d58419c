/** The folder that `export --to onnx` writes, and when it writes none. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AutoModelForSequenceClassification, env } from "@huggingface/transformers";
import { describe, expect, test } from "vitest";
import { type ExportSettings, exportModel } from "../../../../src/app/commands/models/export.js";
import type { JsonObject } from "../../../../src/base/records/json.js";
import { openSafetensors, saveSafetensors } from "../../../../src/formats/safetensors/safetensors.js";
import * as torch from "../../../../src/torch/index.js";
import type { OnnxDtypeName } from "../../../../src/use/export/onnx/dtypes.js";
import { exportOnnx } from "../../../../src/use/export/onnx/exportOnnx.js";
import { GOLDEN, get, goldenRows, readJson, readTensors } from "../../../parity/goldenFiles.js";
import { freshPath } from "../../../support/workFolder.js";
import { distance, OnnxModel, outputsOf } from "./onnxModel.js";

const BERT = join(GOLDEN, "bert/single");
const ROWS = readTensors(join(GOLDEN, "bert/forward/single-texts.safetensors"));
const EXPECTED = [...get(ROWS, "logits").toArray()];

const exported = (settings: ExportSettings) => exportModel({ to: "onnx", model: BERT, ...settings });

/** A copy of a golden checkpoint with other settings. */
function copyOf(folder: string, change: (config: JsonObject) => JsonObject): string {
  const copy = freshPath("model");
  cpSync(join(GOLDEN, folder), copy, { recursive: true });
  writeFileSync(join(copy, "config.json"), JSON.stringify(change(readJson(join(copy, "config.json")))));
  return copy;
}

test("a folder has the graph, config.json with labels, and the tokenizer's files", async () => {
  const output = freshPath("onnx");
  const { files } = await exported({ output });
  expect(files).toEqual([
    { path: join(output, "onnx/model.onnx"), dtype: "fp32", bytes: statSync(join(output, "onnx/model.onnx")).size },
  ]);
  expect(readdirSync(output).sort()).toEqual(["config.json", "onnx", "tokenizer.json", "tokenizer_config.json"]);
  const [config, source] = [output, BERT].map((folder) => readJson<JsonObject>(join(folder, "config.json")));
  for (const key of ["model_type", "architectures", "id2label", "label2id"])
    expect(config?.[key]).toEqual(source?.[key]);
});

test("labels are the adapter's", async () => {
  const adapter = freshPath("adapter");
  cpSync(join(GOLDEN, "bert/adapters/lora"), adapter, { recursive: true });
  const metadata = { formatVersion: 1, method: "lora", task: "sequence-classification", labels: ["c", "a", "b"] };
  writeFileSync(join(adapter, "bidora.json"), JSON.stringify(metadata));
  const output = freshPath("onnx");
  await exported({ adapter, output });
  expect(readJson<JsonObject>(join(output, "config.json")).id2label).toEqual({ 0: "c", 1: "a", 2: "b" });
});

test("rows longer than the model's positions are truncated by the tokenizer's length", async () => {
  const model = copyOf("bert/single", (config) => config);
  const settings = join(model, "tokenizer_config.json");
  writeFileSync(settings, JSON.stringify({ ...readJson<JsonObject>(settings), model_max_length: 1e30 }));
  const output = freshPath("onnx");
  await exported({ model, output });
  expect(readJson<JsonObject>(join(output, "tokenizer_config.json")).model_max_length).toBe(48);
});

describe("an occupied output", () => {
  test("is refused, and replaced with overwrite", async () => {
    const output = freshPath("onnx");
    await exported({ output });
    await expect(exported({ output })).rejects.toThrow("is not empty");
    writeFileSync(join(output, "note.txt"), "mine");
    await exported({ output, overwrite: true, task: "feature-extraction" });
    expect(readFileSync(join(output, "note.txt"), "utf8")).toBe("mine");
    expect((await OnnxModel.open(output)).session.outputNames).toEqual(["last_hidden_state"]);
  });

  test("is kept if its onnx folder has other programs' files", async () => {
    const output = freshPath("onnx");
    mkdirSync(join(output, "onnx"), { recursive: true });
    writeFileSync(join(output, "onnx", "encoder.onnx"), "theirs");
    await expect(exported({ output, overwrite: true })).rejects.toThrow("onnx in it is not bidora's");
    expect(readFileSync(join(output, "onnx", "encoder.onnx"), "utf8")).toBe("theirs");
  });

  test("is refused, even with overwrite, if it has the rows to measure", async () => {
    const output = freshPath("onnx");
    await exported({ output });
    const data = join(output, "test-predictions.jsonl");
    writeFileSync(data, JSON.stringify({ text: "no" }));
    await expect(exported({ output, data, overwrite: true })).rejects.toThrow("test-predictions.jsonl is in it");
    expect(existsSync(data)).toBe(true);
  });

  test("loses what a killed export left", async () => {
    const output = freshPath("onnx");
    const left = join(output, ".new.0123456789ab.tmp");
    mkdirSync(left, { recursive: true });
    writeFileSync(join(left, "model.onnx"), "half");
    await exported({ output });
    expect(readdirSync(output).sort()).toEqual(["config.json", "onnx", "tokenizer.json", "tokenizer_config.json"]);
  });

  test("stays as it was if the export fails", async () => {
    const output = freshPath("onnx");
    await exported({ output });
    const model = copyOf("bert/single", (config) => ({ ...config, hidden_act: "mish" }));
    await expect(exported({ model, output, overwrite: true })).rejects.toThrow('"mish" is not supported');
    expect(existsSync(join(output, "onnx/model.onnx"))).toBe(true);
    expect(readdirSync(output).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

test("dtype and task belong to onnx", async () => {
  await expect(exported({ to: "gguf", dtype: ["fp32"], output: "x.gguf" })).rejects.toThrow("dtype");
  await expect(exported({ to: "gguf", task: "feature-extraction", output: "x.gguf" })).rejects.toThrow("task");
});

describe("weights in data files", () => {
  const limited = (output: string, dtype: OnnxDtypeName = "fp32", mostBytes = 30_000) =>
    exportOnnx({ model: BERT, output, overwrite: false, dtype: [dtype] }, undefined, undefined, mostBytes);

  test("are read by onnxruntime, and counted", async () => {
    const output = freshPath("onnx");
    const { files } = await limited(output);
    const names = readdirSync(join(output, "onnx")).sort();
    expect(names.slice(0, 3)).toEqual(["model.onnx", "model.onnx_data", "model.onnx_data_1"]);
    expect(files[0]?.bytes).toBe(names.reduce((sum, name) => sum + statSync(join(output, "onnx", name)).size, 0));
    const key = readJson<JsonObject>(join(output, "config.json"))["transformers.js_config"];
    expect(key).toEqual({ use_external_data_format: { "model.onnx": names.length - 1 } });
    const actual = await outputsOf(await OnnxModel.open(output), goldenRows(ROWS), "right");
    expect(distance(actual, EXPECTED)).toBeLessThan(1e-4);
  });

  test("give what one file gives, in 4 bits too", async () => {
    const [whole, parts] = [freshPath("onnx"), freshPath("onnx")];
    await limited(whole, "q4", 1e9);
    await limited(parts, "q4", 10_000);
    expect(existsSync(join(parts, "onnx/model_q4.onnx_data_1"))).toBe(true);
    const [expected, actual] = await Promise.all(
      [whole, parts].map(async (folder) =>
        outputsOf(await OnnxModel.open(folder, "model_q4.onnx"), goldenRows(ROWS), "right"),
      ),
    );
    expect(actual).toEqual(expected);
  });

  test("are found by transformers.js", async () => {
    const output = freshPath("onnx");
    await limited(output);
    Object.assign(env, { allowRemoteModels: false, localModelPath: join(output, "..") });
    const name = output.slice(join(output, "..").length + 1);
    const model = await AutoModelForSequenceClassification.from_pretrained(name, { dtype: "fp32" });
    expect(model.sessions.model).toBeDefined();
  });
});

describe("checkpoints", () => {
  test.each(["float16", "bfloat16", "float64"] as const)("in %s are written in float32", async (dtype) => {
    const model = copyOf("bert/single", (config) => config);
    const path = join(model, "model.safetensors");
    const tensors = readTensors(path);
    rmSync(path);
    saveSafetensors(path, new Map([...tensors].map(([name, tensor]) => [name, torch.castTo(tensor, dtype)])));
    const [output, rounded] = [freshPath("onnx"), freshPath("onnx")];
    await exported({ model, output });
    saveSafetensors(path, new Map(namesAndFloats(path)));
    await exported({ model, output: rounded });
    const [own, same] = [output, rounded].map((folder) => readFileSync(join(folder, "onnx/model.onnx")));
    expect(own?.equals(same as Buffer)).toBe(true);
  });

  test("with one token type ignore the types of pairs", async () => {
    const model = copyOf("bert/single", (config) => ({ ...config, type_vocab_size: 1 }));
    const path = join(model, "model.safetensors");
    const tensors = new Map(readTensors(path));
    const types = "bert.embeddings.token_type_embeddings.weight";
    tensors.set(types, torch.narrow(get(tensors, types), 0, 0, 1));
    saveSafetensors(path, tensors);
    const output = freshPath("onnx");
    await exported({ model, output });
    const row = { inputIds: [2, 18, 3, 28, 3], tokenTypeIds: [0, 0, 0, 1, 1] };
    const graph = await OnnxModel.open(output);
    const logits = await outputsOf(graph, [row], "right");
    expect(logits).toEqual(await outputsOf(graph, [{ ...row, tokenTypeIds: [0, 0, 0, 0, 0] }], "right"));
  });

  test("with an odd number of position buckets are refused", async () => {
    const model = copyOf("deberta-v2/single", (config) => ({ ...config, position_buckets: 5 }));
    rmSync(join(model, "model.safetensors"));
    const path = join(GOLDEN, "deberta-v2/single/model.safetensors");
    const tensors = new Map(readTensors(path));
    const table = "deberta.encoder.rel_embeddings.weight";
    const { shape } = get(tensors, table);
    tensors.set(table, torch.zeros([10, shape[1] as number]));
    saveSafetensors(join(model, "model.safetensors"), tensors);
    await expect(exported({ model, output: freshPath("onnx") })).rejects.toThrow("position_buckets are an odd number");
  });
});

function namesAndFloats(path: string): [string, torch.Tensor][] {
  const file = openSafetensors(path);
  try {
    return file.names.map((name) => [name, torch.castTo(file.readTensor(name), "float32")]);
  } finally {
    file.close();
  }
}

test("rows of padding alone give numbers", async () => {
  for (const folder of ["bert/single", "esm/single", "modernbert-mean/single", "deberta-v2-xlarge/single"]) {
    const output = freshPath("onnx");
    await exported({ model: join(GOLDEN, folder), output });
    const rows = [
      { inputIds: [2, 18, 3], tokenTypeIds: [0, 0, 0] },
      { inputIds: [], tokenTypeIds: [] },
    ];
    const logits = await outputsOf(await OnnxModel.open(output), rows, "right");
    expect(logits.every(Number.isFinite), folder).toBe(true);
    const alone = await outputsOf(await OnnxModel.open(output), rows.slice(0, 1), "right");
    expect(distance(logits.slice(0, alone.length), alone), folder).toBeLessThan(1e-5);
  }
});

test("a row longer than the model's positions is an error of onnxruntime", async () => {
  const output = freshPath("onnx");
  await exported({ output });
  const long = { inputIds: Array.from({ length: 49 }, () => 5), tokenTypeIds: Array.from({ length: 49 }, () => 0) };
  await expect((await OnnxModel.open(output)).run([long], "right")).rejects.toThrow("out of data bounds");
});

describe("what transformers.js does with a model", () => {
  test("is noted for a regression and for question answering of ModernBERT", async () => {
    const regression = await exported({ model: join(GOLDEN, "bert/regression"), output: freshPath("onnx") });
    expect(regression.notes?.join()).toContain("softmax");
    const questions = await exported({ model: join(GOLDEN, "modernbert/questions"), output: freshPath("onnx") });
    expect(questions.notes?.join()).toContain("transformers.js has no ModernBertForQuestionAnswering");
    expect((await exported({ output: freshPath("onnx") })).notes).toEqual([]);
  });
});

/** Exported models that make embeddings, beside what bidora itself predicts. */
import { cpSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { env, pipeline, type Tensor } from "@huggingface/transformers";
import { describe, expect, test } from "vitest";
import { finetune } from "../../../../src/app/commands/finetune.js";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import { load } from "../../../../src/app/commands/models/load.js";
import type { Pooling } from "../../../../src/formats/sentenceTransformers.js";
import {
  type EmbeddingFormat,
  PLAIN_FORMAT,
  writeEmbeddingFormat,
} from "../../../../src/formats/sentenceTransformers.js";
import { loadTokenizer } from "../../../../src/text/index.js";
import { GOLDEN, readJson } from "../../../parity/goldenFiles.js";
import { freshPath } from "../../../support/workFolder.js";
import { distance, OnnxModel, SIDES } from "./onnxModel.js";

const TEXTS = ["The Cat sat on the mat", "no", "A good day to all of you"];

/** A golden checkpoint as sentence-transformers has it. */
function sentenceTransformer(checkpoint: string, format: Partial<EmbeddingFormat>): string {
  const folder = freshPath("model");
  cpSync(join(GOLDEN, checkpoint), folder, { recursive: true });
  const { hidden_size: width } = readJson<{ hidden_size: number }>(join(folder, "config.json"));
  writeEmbeddingFormat(folder, { ...PLAIN_FORMAT, ...format }, width);
  return folder;
}

async function predicted(settings: { model: string; adapter?: string }): Promise<number[]> {
  await using model = await load({ ...settings, dtype: "float32" });
  const rows = await model.predict(TEXTS);
  return rows.flatMap(({ embedding }) => embedding as number[]);
}

async function expectSame(settings: { model: string; adapter?: string }): Promise<string> {
  const output = freshPath("onnx");
  await exportModel({ ...settings, to: "onnx", output });
  const graph = await OnnxModel.open(output);
  expect(graph.session.outputNames).toEqual(["last_hidden_state", "sentence_embedding"]);
  const tokenizer = await loadTokenizer(output);
  const rows = await tokenizer.encodeBatch(
    TEXTS.map((text) => [text] as const),
    {},
  );
  const expected = await predicted(settings);
  for (const side of SIDES) {
    const { sentence_embedding: own } = await graph.run(rows, side);
    expect(distance(Array.from(own?.data as Float32Array), expected), side).toBeLessThan(1e-4);
  }
  return output;
}

const POOLINGS: readonly Pooling[] = ["mean", "cls", "last"];

describe.each(["bert/no-prefix", "distilbert/single", "modernbert/single", "qwen2/single"])("%s", (checkpoint) => {
  test.each(POOLINGS)("gives embeddings of sentence-transformers with pooling %s", async (pooling) => {
    await expectSame({ model: sentenceTransformer(checkpoint, { pooling, normalizes: pooling !== "cls" }) });
  });
});

test.each(["qwen2/single", "gpt2/single"])(
  "%s: the pipeline finds the last token of every text of a batch",
  async (checkpoint) => {
    const model = sentenceTransformer(checkpoint, { pooling: "last", normalizes: true });
    const output = freshPath("onnx");
    const { notes } = await exportModel({ model, to: "onnx", output });
    expect(notes).toEqual([expect.stringContaining('{"pooling":"last_token","normalize":true}')]);
    Object.assign(env, { allowRemoteModels: false, localModelPath: dirname(output) });
    const extract = await pipeline("feature-extraction", basename(output), { dtype: "fp32" });
    const found = (await extract(TEXTS, { pooling: "last_token", normalize: true })) as unknown as Tensor;
    expect(distance(Array.from(found.data as Float32Array), await predicted({ model }))).toBeLessThan(1e-4);
  },
);

test("texts are lowercased, and truncated at sentence-transformers' length", async () => {
  const model = sentenceTransformer("roberta/single", { lowercases: true, maxLength: 6 });
  const output = freshPath("onnx");
  await exportModel({ model, to: "onnx", output });
  expect(readJson<{ model_max_length: number }>(join(output, "tokenizer_config.json")).model_max_length).toBe(6);
  const tokenizer = await loadTokenizer(output);
  const [upper, lower] = await tokenizer.encodeBatch([["The CAT"], ["the cat"]], {});
  expect(upper?.inputIds).toEqual(lower?.inputIds);
});

test("an adapter trained for embeddings is merged", async () => {
  const model = join(GOLDEN, "bert/no-prefix");
  const train = freshPath("pairs.jsonl");
  const pairs = TEXTS.map((text) => JSON.stringify({ anchor: text, positive: text.toLowerCase() }));
  writeFileSync(train, pairs.join("\n"));
  const adapter = freshPath("run");
  const settings = { method: "lora", maxSteps: 2, learningRate: 0.1, batchSize: 3, dtype: "float32" } as const;
  await finetune({ model, task: "embedding", train, output: adapter, ...settings });
  const output = await expectSame({ model, adapter });

  Object.assign(env, { allowRemoteModels: false, localModelPath: dirname(output) });
  const extract = await pipeline("feature-extraction", basename(output), { dtype: "fp32" });
  const found = (await extract(TEXTS, { pooling: "mean" })) as unknown as Tensor;
  expect(distance(Array.from(found.data as Float32Array), await predicted({ model, adapter }))).toBeLessThan(1e-4);
});

test.each(["bert/no-prefix", "qwen2/single"])(
  "%s: a cut last token is noted if pooling reads it",
  async (checkpoint) => {
    const tokenizer = await loadTokenizer(join(GOLDEN, checkpoint));
    const [last] = await tokenizer.suffixIds();
    const model = sentenceTransformer(checkpoint, { pooling: "last" });
    const { notes = [] } = await exportModel({ model, to: "onnx", output: freshPath("onnx") });
    expect(notes.some((note) => note.includes("cuts long texts"))).toBe(last !== undefined);
  },
);

test("with --task feature-extraction there are the states alone", async () => {
  const output = freshPath("onnx");
  const model = sentenceTransformer("bert/no-prefix", {});
  const { notes } = await exportModel({ model, to: "onnx", task: "feature-extraction", output });
  expect(notes).toEqual([]);
  expect((await OnnxModel.open(output)).session.outputNames).toEqual(["last_hidden_state"]);
});

test("with --task feature-extraction texts are read as the model embeds them", async () => {
  const output = freshPath("onnx");
  const model = sentenceTransformer("bert/no-prefix", { lowercases: true, maxLength: 9 });
  await exportModel({ model, to: "onnx", task: "feature-extraction", output });
  const read = (name: string) => readJson<object>(join(output, name));
  expect(JSON.stringify(read("tokenizer.json"))).toContain('"type":"Lowercase"');
  expect(read("tokenizer_config.json")).toMatchObject({ model_max_length: 9 });
});

test("with --task feature-extraction modules that make embeddings don't matter", async () => {
  const model = sentenceTransformer("bert/no-prefix", {});
  const path = join(model, "modules.json");
  const dense = { idx: 2, name: "2", path: "2_Dense", type: "sentence_transformers.models.Dense" };
  writeFileSync(path, JSON.stringify([...readJson<object[]>(path), dense]));
  const output = freshPath("onnx");
  await exportModel({ model, to: "onnx", task: "feature-extraction", output });
  expect((await OnnxModel.open(output)).session.outputNames).toEqual(["last_hidden_state"]);
});

test("prompts and pooling are noted, since pipelines read neither", async () => {
  const prompts = { query: "query: ", document: "" };
  const model = sentenceTransformer("bert/no-prefix", { normalizes: true, prompts, defaultPrompt: "query" });
  const { notes } = await exportModel({ model, to: "onnx", output: freshPath("onnx") });
  expect(notes?.join("\n")).toContain('{"pooling":"mean","normalize":true}');
  expect(notes?.join("\n")).toContain("(query, predict's default; document)");
});

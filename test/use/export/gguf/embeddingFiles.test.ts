// What the GGUF file of a model that embeds texts contains, and what is said about it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { type ExportSettings, exportModel } from "../../../../src/app/commands/models/export.js";
import { load } from "../../../../src/app/commands/models/load.js";
import { type JsonObject, readJsonObject } from "../../../../src/base/records/json.js";
import { dequantize, type ReadableType } from "../../../../src/formats/gguf/elements.js";
import { type GgufFile, openGguf } from "../../../../src/formats/gguf/file.js";
import { loraConfig } from "../../../../src/models/adapters/index.js";
import { temporaryFolders } from "../../../formats/temporaryFolder.js";
import { GOLDEN } from "../../../parity/goldenFiles.js";
import { type EncoderChange, encoderIn, modernBertIn, ROBERTA, UNIGRAM, WORD_PIECE } from "./encoders.js";
import { embedsTexts, tinyAdapter, tinyModel } from "./tinyModels.js";

const newFolder = temporaryFolders();
const encoder = (change: EncoderChange = {}) => encoderIn(newFolder(), change);
const modernBert = (change: JsonObject = {}) => modernBertIn(newFolder(), change);

async function exported(model: string, settings: ExportSettings = {}) {
  const output = join(newFolder(), "out", "model.gguf");
  const { notes = [] } = await exportModel({ model, to: "gguf", outtype: "f32", output, ...settings });
  return { file: openGguf(output), notes, output };
}

async function embeddingsOf(model: string) {
  await using opened = await load({ model, dtype: "float32" });
  return (await opened.predict(["old stone wall", "a yellow boat at the gate"])).map(({ embedding }) => embedding);
}

function valuesOf(file: GgufFile, name: string): Float32Array {
  return dequantize(file.info(name).type as ReadableType, file.readBytes(name));
}

describe("the file", () => {
  test("of BERT is the one of llama.cpp's converter, but for the length of texts and names", async () => {
    const { file } = await exported(join(GOLDEN, "embeddings/bert-mean"));
    const theirs = openGguf(join(GOLDEN, "io/gguf/converted/bert-mean.gguf"));
    const others = /^general\.(name|size_label)$|add_sep_token$|strip_accents$|context_length$/;
    const keysOf = ({ metadata }: GgufFile) => metadata.keys.filter((key) => !others.test(key)).sort();
    expect(keysOf(file)).toEqual(keysOf(theirs));
    for (const key of keysOf(file)) expect(file.metadata.value(key), key).toEqual(theirs.metadata.value(key));
    expect([...file.tensors.keys()].sort()).toEqual([...theirs.tensors.keys()].sort());
    for (const name of file.tensors.keys()) {
      const own = valuesOf(file, name);
      expect(own, name).toEqual(valuesOf(theirs, name).slice(0, own.length));
      if (name !== "position_embd.weight") expect(file.info(name).shape, name).toEqual(theirs.info(name).shape);
    }
  });

  test.each([
    ["the folder's", { model_max_length: 30 }, 20, 20],
    ["the folder's, which replaces the tokenizer's", { model_max_length: 9 }, 30, 30],
    ["the tokenizer's", { model_max_length: 9 }, undefined, 9],
    ["that of the positions", { model_max_length: 64 }, 64, 40],
  ])("has the most tokens of a text as its context length: %s", async (_, tokenizerConfig, maxLength, context) => {
    const { file, notes } = await exported(encoder({ tokenizerConfig, format: { maxLength } }));
    expect(file.metadata.count("bert.context_length")).toBe(context);
    expect(file.info("position_embd.weight").shape).toEqual([context, 48]);
    expect(notes).toContainEqual(expect.stringContaining(`at most ${context} tokens`));
  });

  test("has an adapter's length and pooling before the folder's", async () => {
    const model = encoder({ format: { pooling: "mean", maxLength: 30 } });
    const metadata = { method: "lora", task: "embedding", pooling: "last", maxLength: 12 } as const;
    const config = loraConfig({ rank: 2, targetModules: ["query"] });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), model, config, { task: "embedding", metadata });
    const { file } = await exported(model, { adapter });
    expect(file.metadata.count("bert.pooling_type")).toBe(3);
    expect(file.metadata.count("bert.context_length")).toBe(12);
  });

  test("of a decoder has the most tokens of a text and the pooling, and a language model's has not", async () => {
    const model = tinyModel(join(newFolder(), "model"), "smollm", {
      model_type: "llama",
      architectures: ["LlamaForCausalLM"],
    });
    const plain = (await exported(model)).file.metadata;
    expect([plain.count("llama.context_length"), plain.has("llama.pooling_type")]).toEqual([64, false]);
    const { metadata } = (await exported(embedsTexts(model, { pooling: "last", maxLength: 12 }))).file;
    expect([metadata.count("llama.context_length"), metadata.count("llama.pooling_type")]).toEqual([12, 3]);
  });

  test.each(["mean", "cls", "last"] as const)("of a decoder is read with its pooling, %s", async (pooling) => {
    vi.stubEnv("XDG_CACHE_HOME", newFolder());
    const folder = tinyModel(join(newFolder(), "model"), "smollm", {
      model_type: "llama",
      architectures: ["LlamaForCausalLM"],
    });
    const { output } = await exported(embedsTexts(folder, { pooling }));
    expect(await embeddingsOf(output)).toEqual(await embeddingsOf(folder));
  });

  test("keeps positions and token types in float32, which llama.cpp adds to float32", async () => {
    const model = encoder({ config: { model_type: "bert", hidden_size: 96 } });
    const { file } = await exported(model, { outtype: "q8_0" });
    const types = Object.fromEntries([...file.tensors.values()].map(({ name, type }) => [name, type]));
    expect(types).toMatchObject({
      ...{ "token_embd.weight": "Q8_0", "blk.3.attn_q.weight": "Q8_0", "blk.3.attn_q.bias": "F32" },
      ...{ "position_embd.weight": "F32", "token_types.weight": "F32" },
    });
  });

  test("of ModernBERT has its windows and frequencies", async () => {
    const { file } = await exported(modernBert({ local_rope_theta: 500, global_rope_theta: 7000, norm_eps: 1e-3 }));
    const { metadata } = file;
    const name = (key: string) => `modern-bert.${key}`;
    expect(metadata.text("general.architecture")).toBe("modern-bert");
    expect(metadata.count(name("attention.sliding_window"))).toBe(6);
    expect(metadata.number(name("rope.freq_base"))).toBe(7000);
    expect(metadata.number(name("rope.freq_base_swa"))).toBe(500);
    expect(metadata.number(name("attention.layer_norm_epsilon"))).toBeCloseTo(1e-3, 8);
    expect(metadata.flag(name("attention.causal"))).toBe(false);
    expect(metadata.text("tokenizer.ggml.pre")).toBe("modern-bert");
  });

  test("names the unknown token and the separator that the tokenizer uses, if its settings name none", async () => {
    const none = { unk_token: null, sep_token: null, cls_token: null, mask_token: null };
    const config = { ...ROBERTA, model_type: "xlm-roberta" };
    for (const [model, ids] of [
      [encoder({ tokenizerConfig: none }), [2, 3, 3, 1]],
      [encoder({ config, tokenizer: UNIGRAM, tokenizerConfig: none }), [0, 2, 2, 3]],
    ] as const) {
      const { metadata } = (await exported(model)).file;
      const id = (role: string) => metadata.count(`tokenizer.ggml.${role}_token_id`);
      expect([id("bos"), id("eos"), id("seperator"), id("unknown")]).toEqual(ids);
    }
  });

  test("has SentencePiece's table of characters, and its Modelfile no stop tokens", async () => {
    const config = { ...ROBERTA, model_type: "xlm-roberta" };
    const { file, output } = await exported(encoder({ config, tokenizer: UNIGRAM }));
    const { normalizer } = readJsonObject(join(UNIGRAM, "tokenizer.json"));
    const charsmap = Buffer.from(String((normalizer as JsonObject).precompiled_charsmap), "base64");
    expect(file.metadata.numbers("tokenizer.ggml.precompiled_charsmap")).toEqual([...charsmap]);
    const kinds = file.metadata.numbers("tokenizer.ggml.token_type")!;
    expect([...kinds.slice(0, 5), ...kinds.slice(-4)]).toEqual([3, 3, 3, 2, 1, 3, 5, 5, 5]);
    expect(readFileSync(output.replace(/gguf$/, "Modelfile"), "utf8").split("\n").slice(1)).toEqual([
      "FROM ./model.gguf",
      "",
    ]);
  });
});

describe("what is said", () => {
  test("of normalization: which option llama.cpp needs", async () => {
    const [unit, plain] = [encoder({ format: { normalizes: true } }), encoder()];
    expect((await exported(unit)).notes[0]).toMatch(
      /pooling \(mean\) from the file.* needs --embd-normalize 2, its default\.$/,
    );
    expect((await exported(plain)).notes[0]).toMatch(
      /needs --embd-normalize -1, since its embeddings are not normalized/,
    );
  });

  test("of prompts: that the file has none, and what becomes of prompts that are not pooled", async () => {
    const prompts = { query: "find: ", document: "text: " };
    const counted = await exported(encoder({ format: { prompts } }));
    expect(counted.notes).toContainEqual(
      "The file has no prompts: write them before the texts yourself (query, document).",
    );
    const skipped = await exported(encoder({ format: { prompts, includesPrompt: false } }));
    expect(skipped.notes).toContainEqual(
      expect.stringMatching(/llama.cpp pools their tokens too, which this model does not/),
    );
    const last = await exported(encoder({ format: { prompts, includesPrompt: false, pooling: "last" } }));
    expect(last.notes).toEqual(expect.not.arrayContaining([expect.stringContaining("pools their tokens too")]));
  });

  test("of tokens: where llama.cpp's WordPiece differs", async () => {
    const { normalizer } = readJsonObject(join(WORD_PIECE, "tokenizer.json")) as { normalizer: JsonObject };
    const with_ = async (change: JsonObject) => {
      const model = encoder({ tokenizerJson: { normalizer: { ...normalizer, ...change } } });
      const { file, notes } = await exported(model);
      const flag = (key: string) => file.metadata.flag(`tokenizer.ggml.normalizer.${key}`);
      return { flags: [flag("lowercase"), flag("strip_accents")], notes: notes.join(" ") };
    };
    const plain = await with_({});
    expect(plain.flags).toEqual([true, true]);
    expect(plain.notes).toMatch(/more than 100 characters, and in Korean/);
    expect(plain.notes).not.toMatch(/lowercase every text/);
    const cased = await with_({ lowercase: false });
    expect(cased.flags).toEqual([false, false]);
    expect(cased.notes).toMatch(/lowercase every text/);
    expect(cased.notes).not.toMatch(/Korean/);
    const accents = await with_({ strip_accents: false });
    expect(accents.flags).toEqual([true, false]);
    expect(accents.notes).toMatch(/lowercase every text/);
  });
});

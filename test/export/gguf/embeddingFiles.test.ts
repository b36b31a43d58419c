// What the GGUF file of a model that embeds texts contains, what is said about it, and what is refused.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loraConfig } from "../../../src/adapters/index.js";
import { type ExportSettings, exportModel } from "../../../src/commands/export.js";
import { type JsonObject, readJsonObject } from "../../../src/files/json.js";
import { dequantize, type ReadableType } from "../../../src/io/gguf/dequantize.js";
import { type GgufFile, openGguf } from "../../../src/io/gguf/file.js";
import { temporaryFolders } from "../../io/temporaryFolder.js";
import { GOLDEN } from "../../parity/goldenFiles.js";
import { BYTE_LEVEL, COMPOSED, cleaned, METASPACE, MODERNBERT, ROBERTA, UNIGRAM, WORD_PIECE } from "./encoders.js";
import { embedsTexts, tinyAdapter, tinyEncoder, tinyModel } from "./tinyModels.js";

const newFolder = temporaryFolders();
type Change = Partial<Parameters<typeof tinyEncoder>[1]>;

const encoder = (change: Change = {}): string =>
  tinyEncoder(join(newFolder(), "model"), { config: { model_type: "bert" }, tokenizer: WORD_PIECE, ...change });
const modernBert = (change: JsonObject = {}): string =>
  encoder({ config: { ...MODERNBERT, ...change }, tokenizer: BYTE_LEVEL, tokenizerJson: COMPOSED });

async function exported(model: string, settings: ExportSettings = {}) {
  const output = join(newFolder(), "out", "model.gguf");
  const { notes = [] } = await exportModel({ model, to: "gguf", outtype: "f32", output, ...settings });
  return { file: openGguf(output), notes, output };
}

const refused = async (model: string, message: RegExp, settings: ExportSettings = {}) => {
  const folder = join(newFolder(), "none");
  await expect(exportModel({ model, to: "gguf", output: join(folder, "m.gguf"), ...settings })).rejects.toThrow(
    message,
  );
  expect(existsSync(folder)).toBe(false);
};

function valuesOf(file: GgufFile, name: string): Float32Array {
  return dequantize(file.info(name).type as ReadableType, file.readBytes(name));
}

describe("the file of an encoder", () => {
  test("is the one of llama.cpp's converter, but for the length of texts and names", async () => {
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
    ["the tokenizer's", { model_max_length: 9 }, 30, 9],
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
  test("of normalization: what llama.cpp has to be told", async () => {
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

/** Changes tokenizer.json. */
function retokenized(model: string, change: (json: JsonObject) => JsonObject): string {
  const path = join(model, "tokenizer.json");
  writeFileSync(path, JSON.stringify(change(readJsonObject(path))));
  return model;
}

const xlmRoberta = () => encoder({ config: { ...ROBERTA, model_type: "xlm-roberta" }, tokenizer: UNIGRAM });
const withVocabulary = (change: (vocab: Record<string, number>) => object) => (json: JsonObject) => {
  const model = json.model as { vocab: Record<string, number> };
  return { ...json, model: { ...model, vocab: change(model.vocab) } as never };
};
const withAdded =
  (...tokens: readonly JsonObject[]) =>
  (json: JsonObject) => ({
    ...json,
    added_tokens: [...(json.added_tokens as JsonObject[]), ...tokens],
  });
const TOKEN = { single_word: false, lstrip: false, rstrip: false, special: false };

describe("refused is", () => {
  test.each<[string, () => string, RegExp]>([
    [
      "a family that llama.cpp does not run",
      () => encoder({ config: { model_type: "mpnet", vocab_size: 200 } }),
      /its model_type is mpnet; supported are llama.*and of encoders that embed texts bert, distilbert.*with --to onnx/,
    ],
    [
      "ELECTRA, which llama.cpp's converter does not have",
      () => encoder({ config: { model_type: "electra", embedding_size: 48 } }),
      /its model_type is electra;.*--to onnx/,
    ],
    [
      "another activation",
      () => encoder({ config: { model_type: "bert", hidden_act: "relu" } }),
      /its activation is relu.*--to onnx/,
    ],
    ["another activation of ModernBERT", () => modernBert({ hidden_activation: "silu" }), /its activation is silu/],
    [
      "biases of ModernBERT",
      () => modernBert({ attention_bias: true }),
      /it has biases that llama.cpp's modern-bert does not have/,
    ],
    [
      "other windows of ModernBERT",
      () => modernBert({ global_attn_every_n_layers: 2 }),
      /every 3rd layer has full attention/,
    ],
    [
      "lowercasing before a tokenizer of bytes",
      () =>
        encoder({ config: { ...ROBERTA, model_type: "roberta" }, tokenizer: BYTE_LEVEL, format: { lowercases: true } }),
      /lowercases texts \(do_lower_case\), which llama.cpp does only for WordPiece/,
    ],
    [
      "text that is not cleaned",
      () =>
        retokenized(encoder(), (json) => ({
          ...json,
          normalizer: { ...(json.normalizer as JsonObject), clean_text: false },
        })),
      /the tokenizer's clean_text is off, but llama.cpp's WordPiece always does it/,
    ],
    [
      "Chinese characters that are not split",
      () =>
        retokenized(encoder(), (json) => ({
          ...json,
          normalizer: { ...(json.normalizer as JsonObject), handle_chinese_chars: false },
        })),
      /the tokenizer's handle_chinese_chars is off/,
    ],
    [
      "another pre-tokenizer",
      () => retokenized(encoder(), (json) => ({ ...json, pre_tokenizer: { type: "Whitespace" } })),
      /the pre-tokenizer Whitespace, but llama.cpp's WordPiece does what BertNormalizer and BertPreTokenizer do/,
    ],
    [
      "WordPiece without tokens around a text",
      () => retokenized(encoder(), (json) => ({ ...json, post_processor: null })),
      /does not put one token before and its separator after a text/,
    ],
    [
      "two tokens that llama.cpp can't tell apart",
      () =>
        retokenized(
          encoder(),
          withVocabulary((vocab) => ({ ...vocab, "##▁a": 117, a: 118 })),
        ),
      /tokens 117 and 118 would both be "▁a" in the file/,
    ],
    [
      "an added token that is found in normalized text",
      () => retokenized(encoder(), withAdded({ ...TOKEN, id: 117, content: "Boat", normalized: true })),
      /token "Boat" is found in normalized text, which llama.cpp does not do/,
    ],
    [
      "an added token of a Unigram tokenizer",
      () => retokenized(xlmRoberta(), withAdded({ ...TOKEN, id: 65, content: "boat", normalized: false })),
      /the added token "boat", which llama.cpp's Unigram would match otherwise/,
    ],
    [
      "Unigram without SentencePiece's normalizer",
      () => retokenized(xlmRoberta(), (json) => ({ ...json, normalizer: { type: "NFKC" } })),
      /are not those of SentencePiece/,
    ],
    [
      "Unigram that keeps repeated spaces",
      () => retokenized(xlmRoberta(), (json) => ({ ...json, pre_tokenizer: METASPACE })),
      /are not those of SentencePiece/,
    ],
    [
      "Unigram that keeps spaces at the end",
      () => retokenized(xlmRoberta(), (json) => ({ ...json, ...cleaned(json, false) })),
      /are not those of SentencePiece/,
    ],
  ])("%s", (_, model, message) => refused(model(), message));

  test("a classifier, and an encoder that nothing says embeds texts", async () => {
    await refused(
      join(GOLDEN, "bert/single"),
      /it is for sequence-classification, but llama.cpp runs only causal language models.*--to onnx/,
    );
    const bare = encoder();
    rmSync(join(bare, "modules.json"));
    await refused(bare, /no trained head/);
  });

  test("an adapter alone, which can't say how to pool", async () => {
    const model = embedsTexts(
      tinyModel(join(newFolder(), "model"), "smollm", { model_type: "llama", architectures: ["LlamaForCausalLM"] }),
    );
    const config = loraConfig({ rank: 2, targetModules: ["q_proj"] });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), model, config, { task: "embedding" });
    await refused(model, /--to gguf-lora is for language models.*Use --to gguf, which merges/, {
      to: "gguf-lora",
      outtype: "f32",
      adapter,
    });
  });
});

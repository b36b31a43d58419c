// Rerankers that can't be written as GGUF, because llama.cpp would compute something else, and files of rerankers that can't be read.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { type ExportSettings, exportModel } from "../../../../src/app/commands/models/export.js";
import { type JsonObject, readJsonObject } from "../../../../src/base/records/json.js";
import { openGguf } from "../../../../src/formats/gguf/file.js";
import { count, integers, numbers, text, texts } from "../../../../src/formats/gguf/metadata.js";
import type { GgufValue } from "../../../../src/formats/gguf/types.js";
import { writeGguf } from "../../../../src/formats/gguf/writer.js";
import { resolveModel } from "../../../../src/formats/resolveModel.js";
import { loraConfig } from "../../../../src/models/adapters/index.js";
import { loadTokenizer } from "../../../../src/text/index.js";
import * as torch from "../../../../src/torch/index.js";
import { temporaryFolders } from "../../../formats/temporaryFolder.js";
import { GOLDEN } from "../../../parity/goldenFiles.js";
import { WORD_PIECE } from "./encoders.js";
import { bert, modernBert, roberta, xlmRoberta } from "./rerankers.js";
import { tinyAdapter, tinyReranker } from "./tinyModels.js";

const newFolder = temporaryFolders();
beforeEach(() => {
  vi.stubEnv("XDG_CACHE_HOME", newFolder());
});
const newModel = () => join(newFolder(), "model");

const refused = async (model: string, message: RegExp, settings: ExportSettings = {}) => {
  const folder = join(newFolder(), "none");
  await expect(exportModel({ model, to: "gguf", output: join(folder, "m.gguf"), ...settings })).rejects.toThrow(
    message,
  );
  expect(existsSync(folder)).toBe(false);
};

/** A BERT whose tokenizer puts other tokens around a pair. */
function paired(pair: readonly (string | JsonObject)[]): string {
  const { post_processor: processor } = readJsonObject(join(WORD_PIECE, "tokenizer.json")) as {
    post_processor: JsonObject;
  };
  const steps = pair.map((step) => (typeof step === "string" ? { SpecialToken: { id: step, type_id: 0 } } : step));
  return bert(newModel(), {}, { tokenizerJson: { post_processor: { ...processor, pair: steps } } });
}
const [A, B] = ["A", "B"].map((id): JsonObject => ({ Sequence: { id, type_id: 0 } })) as [JsonObject, JsonObject];

const TELLS_APART =
  /tells the two texts of a pair apart by their token types, and llama.cpp gives both texts the first/;
const OTHER_PAIR = /its tokenizer puts the tokens .* before, between and after the texts of a pair, but llama.cpp puts/;
const OTHER_HEAD = /ranks by the mean of all tokens and a head with GELU and without bias, and classifier_pooling/;

describe("refused is", () => {
  test.each<[string, () => string, RegExp]>([
    ["BERT that tells the texts apart", () => bert(newModel(), {}, { tellsApart: true }), TELLS_APART],
    ["sentence-transformers' BERT", () => join(GOLDEN, "reranking/bert-6"), TELLS_APART],
    ["a pair without a token at its end", () => paired(["[CLS]", A, "[SEP]", B]), OTHER_PAIR],
    ["a pair with another token at its start", () => paired(["[SEP]", A, "[SEP]", B, "[SEP]"]), OTHER_PAIR],
    ["a pair with two separators", () => paired(["[CLS]", A, "[SEP]", "[SEP]", "[SEP]", B, "[SEP]"]), OTHER_PAIR],
    ["a pair with another token between", () => paired(["[CLS]", A, "[CLS]", B, "[SEP]"]), OTHER_PAIR],
    [
      "ModernBERT that reads the first token",
      () => modernBert(newModel(), {}, { classifier_pooling: "cls" }),
      OTHER_HEAD,
    ],
    ["ModernBERT with tanh", () => modernBert(newModel(), {}, { classifier_activation: "tanh" }), OTHER_HEAD],
    ["ModernBERT with a bias", () => modernBert(newModel(), {}, { classifier_bias: true }), OTHER_HEAD],
    [
      "DistilBERT",
      () => tinyReranker(newModel(), { config: { model_type: "distilbert" }, tokenizer: WORD_PIECE }),
      /it is a reranker of the family distilbert, whose head llama.cpp does not have: use --to onnx/,
    ],
    [
      "a family that llama.cpp does not run",
      () => tinyReranker(newModel(), { config: { model_type: "mpnet", vocab_size: 200 }, tokenizer: WORD_PIECE }),
      /its model_type is mpnet; .*\(as rerankers bert, roberta, xlm-roberta, camembert, modernbert\)/,
    ],
    [
      "a decoder",
      () =>
        tinyReranker(newModel(), {
          config: { model_type: "qwen3", head_dim: 16, num_key_value_heads: 3, pad_token_id: 0 },
          tokenizer: WORD_PIECE,
        }),
      /it is a reranker of the family qwen3, whose head llama.cpp does not have/,
    ],
  ])("%s", (_, model, message) => refused(model(), message));

  test("a pair with a separator is written as such, and read", async () => {
    const output = join(newFolder(), "model.gguf");
    await exportModel({ model: paired(["[CLS]", A, "[SEP]", "[CLS]", B, "[SEP]"]), to: "gguf", output });
    const { metadata } = openGguf(output);
    expect(metadata.flag("tokenizer.ggml.add_sep_token")).toBe(true);
    expect(metadata.count("tokenizer.ggml.seperator_token_id")).toBe(metadata.count("tokenizer.ggml.bos_token_id"));
    const { inputIds } = await (await loadTokenizer(await resolveModel(output))).encode(["", ""]);
    const [start, end] = ["bos", "eos"].map((role) => metadata.count(`tokenizer.ggml.${role}_token_id`));
    expect(inputIds).toEqual([start, end, start, end]);
  });

  test("a merged adapter that tells the texts apart", async () => {
    const base = bert(newModel());
    const config = loraConfig({ rank: 2, targetModules: ["token_type_embeddings"] });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), base, config, { task: "reranking" });
    await refused(base, TELLS_APART, { adapter });
  });

  test("an adapter alone, which has no place for a head", async () => {
    const base = xlmRoberta(newModel());
    const config = loraConfig({ rank: 2, targetModules: ["query"] });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), base, config, { task: "reranking" });
    await refused(base, /an adapter's file has no place for a reranker's head. Use --to gguf/, {
      to: "gguf-lora",
      adapter,
    });
  });

  test("--task reranking for a classifier of several labels, and --pooling for a reranker", async () => {
    await refused(join(GOLDEN, "xlm-roberta/single"), /reranking/, { task: "reranking" });
    await refused(xlmRoberta(newModel()), /--pooling is for embedding, and the model is for reranking/, {
      pooling: "cls",
    });
  });
});

const CONVERTED = join(GOLDEN, "io/gguf/converted/xlm-roberta-reranker.gguf");

interface Change {
  /** The file that is changed; by default the converter's. */
  readonly of?: string;
  readonly metadata?: Readonly<Record<string, GgufValue | undefined>>;
  readonly without?: string;
  readonly extra?: string;
}

/** A file with changed metadata (undefined removes a key), without a tensor, or with another one. */
function changed({ of = CONVERTED, metadata = {}, without, extra }: Change): string {
  const file = openGguf(of);
  const pairs = new Map(file.metadata.keys.map((key) => [key, file.metadata.value(key)]));
  for (const [key, value] of Object.entries(metadata)) pairs.set(key, value);
  const path = join(newFolder(), "model.gguf");
  const tensors = [...file.tensors.values()].flatMap(({ name, type, shape }) =>
    name === without ? [] : [{ name, type: type as "F32", shape, tensor: () => torch.zeros(shape) }],
  );
  const more =
    extra === undefined ? [] : [{ name: extra, type: "F32" as const, shape: [36], tensor: () => torch.zeros([36]) }];
  const kept = [...pairs].flatMap(([key, value]) => (value ? [[key, value] as const] : []));
  writeGguf(path, kept, [...tensors, ...more]);
  return path;
}

/** Resolves a file, and opens its weights. */
const opening = async (path: string) => exportModel({ model: path, to: "gguf", output: join(newFolder(), "m.gguf") });

describe("a file is not read", () => {
  test.each<[string, Change, RegExp]>([
    ["without BERT's pooler", { without: "cls.weight" }, /it has no cls.weight: .*converter leaves out BERT's first/],
    ["without the output's bias", { without: "cls.output.bias" }, /it has no cls.output.bias: expected a head of two/],
    ["without token types", { without: "token_types.weight" }, /there is no tensor 'token_types.weight' in it/],
    [
      "with a tensor that BERT lacks",
      { extra: "blk.0.ffn_gate.weight" },
      /'blk.0.ffn_gate.weight' is not part of a reranker/,
    ],
    ["with a head in a layer", { extra: "blk.0.cls.weight" }, /'blk.0.cls.weight' is not part of a reranker/],
    [
      "with a layer too many",
      { extra: "blk.2.attn_q.bias" },
      /'blk.2.attn_q.bias' is not part of a reranker of bert with 2 layers/,
    ],
    [
      "with several labels",
      { metadata: { "bert.classifier.output_labels": texts(["a", "b"]) } },
      /bert.classifier.output_labels has 2 labels; expected a reranker, which has one output/,
    ],
    [
      "with an unknown activation",
      { metadata: { "bidora.score_activation": text("relu") } },
      /bidora.score_activation is "relu"; expected sigmoid, identity or tanh/,
    ],
    [
      "with other heads",
      { metadata: { "bert.attention.head_count": count(5) } },
      /bert.attention.head_count is 5, of which 36/,
    ],
    ["without an epsilon", { metadata: { "bert.attention.layer_norm_epsilon": undefined } }, /layer_norm_epsilon/],
    [
      "with another tokenizer",
      { metadata: { "tokenizer.ggml.model": text("rwkv") } },
      /tokenizer.ggml.model "rwkv" is not supported for rerankers; supported are bert, gpt2 and t5/,
    ],
  ])("%s", (_, change, message) => expect(opening(changed(change))).rejects.toThrow(message));

  test("of BERT that embeds texts", async () => {
    const path = join(GOLDEN, "io/gguf/converted/bert-mean.gguf");
    await expect(resolveModel(path)).rejects.toThrow(
      /"bert" is not supported; supported are llama, .*, and bert and modern-bert with a reranker's head/,
    );
  });
});

test("a file that does not say whether pairs have a separator has RoBERTa's", async () => {
  const separates = async (change: Change) => {
    const folder = await resolveModel(changed(change));
    const { post_processor: processor } = readJsonObject(join(folder, "tokenizer.json")) as {
      post_processor: JsonObject;
    };
    return (processor.pair as unknown[]).length === 6;
  };
  const named = (value: boolean | undefined) => ({
    metadata: { "tokenizer.ggml.add_sep_token": value === undefined ? undefined : ({ type: "bool", value } as const) },
  });
  expect(await separates(named(undefined))).toBe(true);
  expect(await separates(named(true))).toBe(true);
  expect(await separates(named(false))).toBe(false);
});

test("ids without a token have the lowest score, so that an unknown character's does not change", async () => {
  const { metadata } = openGguf(CONVERTED);
  const [kinds, scores] = ["token_type", "scores"].map((key) => [...metadata.numbers(`tokenizer.ggml.${key}`)!]);
  [kinds![20], scores![20]] = [5, -10000];
  const change = { "tokenizer.ggml.token_type": integers(kinds!), "tokenizer.ggml.scores": numbers(scores!) };
  const folder = await resolveModel(changed({ metadata: change }));
  const { vocab } = readJsonObject(join(folder, "tokenizer.json")).model as { vocab: [string, number][] };
  const own = vocab.map(([, score]) => score);
  expect(own.length).toBe(kinds!.findLastIndex((kind) => kind !== 5) + 1);
  expect(own[20]).toBe(Math.min(...own.filter((_, id) => id !== 20)));
  expect(own[20]).toBeGreaterThan(-100);
});

test("a file that names RoBERTa's way of splitting texts as llama.cpp's converter does has the same tokenizer", async () => {
  const of = join(newFolder(), "model.gguf");
  await exportModel({ model: roberta(newModel()), to: "gguf", output: of });
  const tokenizerIn = async (path: string) => readJsonObject(join(await resolveModel(path), "tokenizer.json"));
  const path = changed({ of, metadata: { "tokenizer.ggml.pre": text("roberta-bpe") } });
  expect(await tokenizerIn(path)).toEqual(await tokenizerIn(of));
});

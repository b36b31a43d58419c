// Models that embed texts and can't be written as GGUF: llama.cpp would compute something else, or not run them.
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type ExportSettings, exportModel } from "../../../../src/app/commands/models/export.js";
import { type JsonObject, readJsonObject } from "../../../../src/base/records/json.js";
import { loraConfig } from "../../../../src/models/adapters/index.js";
import { temporaryFolders } from "../../../formats/temporaryFolder.js";
import { GOLDEN } from "../../../parity/goldenFiles.js";
import {
  BYTE_LEVEL,
  cleaned,
  type EncoderChange,
  encoderIn,
  METASPACE,
  modernBertIn,
  ROBERTA,
  UNIGRAM,
} from "./encoders.js";
import { embedsTexts, tinyAdapter, tinyModel } from "./tinyModels.js";

const newFolder = temporaryFolders();
const encoder = (change: EncoderChange = {}) => encoderIn(newFolder(), change);
const modernBert = (change: JsonObject = {}) => modernBertIn(newFolder(), change);

const refused = async (model: string, message: RegExp, settings: ExportSettings = {}) => {
  const folder = join(newFolder(), "none");
  await expect(exportModel({ model, to: "gguf", output: join(folder, "m.gguf"), ...settings })).rejects.toThrow(
    message,
  );
  expect(existsSync(folder)).toBe(false);
};

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
      /does not put one token before a text and one after it/,
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
    await refused(
      bare,
      /it is an encoder, and nothing says how its token states become embeddings: give --pooling, --adapter/,
    );
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

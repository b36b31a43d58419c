// Exported models that embed texts, in llama.cpp.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import { load } from "../../../../src/app/commands/models/load.js";
import { type JsonObject, readJsonObject } from "../../../../src/base/records/json.js";
import { readEmbeddingFormat } from "../../../../src/formats/sentenceTransformers.js";
import { loraConfig } from "../../../../src/models/adapters/index.js";
import { loadTokenizer } from "../../../../src/text/index.js";
import { temporaryFolders } from "../../../formats/temporaryFolder.js";
import { BYTE_LEVEL, COMPOSED, cleaned, MODERNBERT, ROBERTA, UNIGRAM, WORD_PIECE } from "./encoders.js";
import { askLlamaCpp, hasLlamaCpp } from "./llamaCpp.js";
import { embedsTexts, tinyAdapter, tinyEncoder, tinyModel } from "./tinyModels.js";

const newFolder = temporaryFolders();
const newModel = () => join(newFolder(), "model");

const CASED: JsonObject = {
  normalizer: {
    ...{ type: "BertNormalizer", clean_text: true, handle_chinese_chars: true },
    ...{ strip_accents: false, lowercase: false },
  },
};
/** Qwen3-Embedding's tokenizer puts a token after a text that is not its end-of-text token. */
const ENDS_TEXTS = {
  type: "TemplateProcessing",
  single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "<|endoftext|>", type_id: 0 } }],
  pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
  special_tokens: { "<|endoftext|>": { id: "<|endoftext|>", ids: [0], tokens: ["<|endoftext|>"] } },
};
const LLAMA = { model_type: "llama", architectures: ["LlamaForCausalLM"], tie_word_embeddings: false };
const QWEN3 = { model_type: "qwen3", architectures: ["Qwen3ForCausalLM"], tie_word_embeddings: true };

const bert = (change: Partial<Parameters<typeof tinyEncoder>[1]> = {}) =>
  tinyEncoder(newModel(), { config: { model_type: "bert" }, tokenizer: WORD_PIECE, ...change });

function qwen3(): string {
  const folder = tinyModel(newModel(), "qwen3", QWEN3);
  const path = join(folder, "tokenizer.json");
  writeFileSync(path, JSON.stringify({ ...readJsonObject(path), post_processor: ENDS_TEXTS }));
  return embedsTexts(folder, { pooling: "last" });
}

/** Texts of several lengths, some with characters that tokenizers replace or don't know. */
const TEXTS = [
  "The small boat left the harbour",
  "stone",
  "Über CAFÉ,  old (red) walls!\n\tand 漢字",
  "a teacher wrote three long words on the board",
];

/** The largest difference of two embeddings, as a share of the largest value. */
const difference = (own: readonly number[], found: readonly number[]): number =>
  Math.max(...own.map((x, i) => Math.abs(x - found[i]!))) / Math.max(...own.map(Math.abs));

interface Exported {
  readonly model: string;
  readonly adapter?: string;
  readonly outtype?: "f32" | "f16" | "bf16" | "q8_0";
}

/** The worst difference of llama.cpp's embeddings from bidora's in float32, after a comparison of their tokens. */
async function differences(cases: readonly Exported[]): Promise<number[]> {
  const outputs = cases.map(() => join(newFolder(), "out", "model.gguf"));
  for (const [i, one] of cases.entries()) await exportModel({ outtype: "f32", ...one, to: "gguf", output: outputs[i] });
  const tokenized = await Promise.all(cases.map(({ model }) => tokensOf(model)));
  const questions = outputs.map((model, i) => ({
    model,
    rows: tokenized[i]!.rows,
    texts: TEXTS,
    newTokens: 0,
    embeds: true,
  }));
  const answers = askLlamaCpp(...questions);
  const worst: number[] = [];
  for (const [i, { model, adapter }] of cases.entries()) {
    const { embeddings, words, about } = answers[i]!;
    const { rows, before, after, texts } = tokenized[i]!;
    expect(words, model).toEqual(texts);
    expect(about.addsBos ? [about.bos] : [], model).toEqual(before);
    expect(about.addsEos ? [about.eos] : [], model).toEqual(after);
    const opened = await load({
      model,
      ...(adapter !== undefined && { adapter }),
      task: "embedding",
      dtype: "float32",
    });
    const own = (await opened.predict(TEXTS)).map(({ embedding = [] }) => Array.from(embedding));
    expect(embeddings.length).toBe(rows.length);
    worst.push(Math.max(...own.map((vector, row) => difference(vector, embeddings[row]!))));
  }
  return worst;
}

/** The tokens of the texts, with and without those around a text. */
async function tokensOf(model: string) {
  const tokenizer = await loadTokenizer(model);
  const given = readEmbeddingFormat(model).lowercases ? TEXTS.map((text) => text.toLowerCase()) : TEXTS;
  const [before, after] = [await tokenizer.prefixIds(), await tokenizer.suffixIds()];
  const rows = (await tokenizer.encodeBatch(given.map((text) => [text]))).map(({ inputIds }) => [...inputIds]);
  return { before, after, rows, texts: (await tokenizer.tokensOf(given)).map(({ ids }) => ids) };
}

/** llama.cpp computes GELU by its tanh formula, rounded to float16. */
const DECODER_BOUND = 1e-5;
const GELU_BOUND = 1.5e-3;

const MODELS: readonly (readonly [name: string, model: () => string, bound: number])[] = [
  ["BERT, mean", () => bert(), GELU_BOUND],
  ["BERT, first token", () => bert({ format: { pooling: "cls" } }), GELU_BOUND],
  ["BERT with a cased vocabulary", () => bert({ tokenizerJson: CASED }), GELU_BOUND],
  [
    "BERT with a cased vocabulary, texts lowercased",
    () => bert({ tokenizerJson: CASED, format: { lowercases: true } }),
    GELU_BOUND,
  ],
  ["DistilBERT", () => bert({ config: { model_type: "distilbert" } }), GELU_BOUND],
  [
    "RoBERTa, whose position table starts behind rows for padding",
    () =>
      tinyEncoder(newModel(), {
        config: { ...ROBERTA, model_type: "roberta" },
        tokenizer: BYTE_LEVEL,
        format: { pooling: "cls" },
      }),
    GELU_BOUND,
  ],
  [
    "XLM-RoBERTa with a Unigram tokenizer",
    () => tinyEncoder(newModel(), { config: { ...ROBERTA, model_type: "xlm-roberta" }, tokenizer: UNIGRAM }),
    GELU_BOUND,
  ],
  [
    "CamemBERT with a Unigram tokenizer that cleans spaces by its normalizer",
    () =>
      tinyEncoder(newModel(), {
        config: { ...ROBERTA, model_type: "camembert" },
        tokenizer: UNIGRAM,
        tokenizerJson: cleaned(readJsonObject(join(UNIGRAM, "tokenizer.json"))),
      }),
    GELU_BOUND,
  ],
  [
    "ModernBERT, longer than its window",
    () => tinyEncoder(newModel(), { config: MODERNBERT, tokenizer: BYTE_LEVEL, tokenizerJson: COMPOSED }),
    GELU_BOUND,
  ],
  ["llama, last token", () => embedsTexts(tinyModel(newModel(), "llama3", LLAMA), { pooling: "last" }), DECODER_BOUND],
  ["llama, mean", () => embedsTexts(tinyModel(newModel(), "pieces", LLAMA)), DECODER_BOUND],
  ["qwen3 with a token after each text, last token", qwen3, DECODER_BOUND],
];

describe.runIf(hasLlamaCpp())("llama.cpp", () => {
  test("embeds texts, and tokenizes them, as bidora does", async () => {
    const models = MODELS.map(([, model]) => model());
    const worst = await differences(models.map((model) => ({ model })));
    for (const [i, [name, , bound]] of MODELS.entries()) expect(worst[i], name).toBeLessThan(bound);
  });

  test("embeds texts with merged adapters, which may pool otherwise than the base's folder", async () => {
    const base = bert({ format: { pooling: "mean" } });
    const config = loraConfig({ rank: 3, alpha: 5, targetModules: ["query", "output.dense", "word_embeddings"] });
    const metadata = { method: "lora", task: "embedding", pooling: "cls" } as const;
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), base, config, { task: "embedding", metadata });
    const plain = embedsTexts(tinyModel(newModel(), "llama3", LLAMA));
    rmSync(join(plain, "modules.json"));
    const last = { ...metadata, pooling: "last" } as const;
    const decoder = await tinyAdapter(
      join(newFolder(), "adapter"),
      plain,
      loraConfig({ rank: 3, alpha: 5, targetModules: ["q_proj", "down_proj"] }),
      { task: "embedding", metadata: last },
    );
    const [encoded, decoded] = await differences([
      { model: base, adapter },
      { model: plain, adapter: decoder },
    ]);
    expect(encoded).toBeLessThan(GELU_BOUND);
    expect(decoded).toBeLessThan(DECODER_BOUND);
  });

  test("embeds texts with matrices of each data type", async () => {
    const model = bert({ config: { model_type: "bert", hidden_size: 96, intermediate_size: 128 } });
    const types = ["f16", "bf16", "q8_0"] as const;
    const [half, brain, blocks] = await differences(types.map((outtype) => ({ model, outtype })));
    expect(half).toBeLessThan(GELU_BOUND);
    expect(brain).toBeLessThan(1e-2);
    expect(blocks).toBeLessThan(2e-2);
  });

  test("splits long words and Korean otherwise, as the export says", async () => {
    const { model: pieces } = readJsonObject(join(WORD_PIECE, "tokenizer.json")) as { model: JsonObject };
    const vocab = { ...(pieces.vocab as JsonObject), "##\u1112": 117, "##\u1161": 118 };
    const [model, output] = [bert({ tokenizerJson: { model: { ...pieces, vocab } } }), join(newFolder(), "model.gguf")];
    const { notes = [] } = await exportModel({ model, to: "gguf", outtype: "f32", output });
    expect(notes.join(" ")).toMatch(/words of more than 100 characters, and in Korean/);
    const texts = ["a".repeat(101), "a".repeat(100), "a\uD558", "a\u1112\u1161"];
    const [answer] = askLlamaCpp({ model: output, rows: [[2, 3]], texts, newTokens: 0, embeds: true });
    const own = (await (await loadTokenizer(model)).tokensOf(texts)).map(({ ids }) => ids);
    expect(own[2]!.slice(1)).toEqual([117, 118]);
    expect(answer!.words.map((ids, i) => ids.join() === own[i]!.join())).toEqual([false, true, false, true]);
  });

  test("does not compose characters, as the export says", async () => {
    const model = tinyEncoder(newModel(), { config: MODERNBERT, tokenizer: BYTE_LEVEL, tokenizerJson: COMPOSED });
    const output = join(newFolder(), "model.gguf");
    const { notes = [] } = await exportModel({ model, to: "gguf", outtype: "f32", output });
    expect(notes.join(" ")).toMatch(/llama.cpp does not compose characters \(Unicode's NFC\)/);
    const texts = ["caf\u00E9", "cafe\u0301"];
    const [answer] = askLlamaCpp({ model: output, rows: [[0, 2]], texts, newTokens: 0, embeds: true });
    const [own, alike] = (await (await loadTokenizer(model)).tokensOf(texts)).map(({ ids }) => ids);
    expect(alike).toEqual(own);
    expect(answer!.words[0]).toEqual(own);
    expect(answer!.words[1]).not.toEqual(own);
  });
});

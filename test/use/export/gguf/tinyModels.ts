import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type JsonObject, readJsonObject } from "../../../../src/base/records/json.js";
import {
  type CrossEncoderFormat,
  PLAIN_RERANKER,
  writeCrossEncoderFormat,
} from "../../../../src/formats/crossEncoder.js";
import { openGguf } from "../../../../src/formats/gguf/file.js";
import { tokenizerConfigOf, tokenizerOf } from "../../../../src/formats/gguf/tokenizer/tokenizer.js";
import { saveSafetensors } from "../../../../src/formats/safetensors/safetensors.js";
import {
  type EmbeddingFormat,
  PLAIN_FORMAT,
  writeEmbeddingFormat,
} from "../../../../src/formats/sentenceTransformers.js";
import {
  type AdapterConfig,
  type AdapterMetadata,
  inject,
  savedTensors,
  writeAdapter,
} from "../../../../src/models/adapters/index.js";
import {
  architectureOf,
  buildModel,
  classNameOf,
  type HeadKind,
  loadModel,
  NO_HEAD,
} from "../../../../src/models/index.js";
import { TASKS, type TaskKind } from "../../../../src/tasks/index.js";
import * as torch from "../../../../src/torch/index.js";
import { GOLDEN } from "../../../support/golden.js";

const golden = (name: string) => join(GOLDEN, `io/gguf/${name}.gguf`);

/** Tokenizers of golden files: of four ways of splitting texts, and sentencepiece's two kinds. */
export type TokenizerName = "smollm" | "llama3" | "qwen2" | "qwen3" | "pieces" | "gemma3";

/** More embeddings than tokens, as many checkpoints have. */
const UNUSED_TOKENS = 3;

const BASE = {
  hidden_size: 40,
  intermediate_size: 52,
  num_hidden_layers: 2,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  head_dim: 6,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
} as const;

/** Writes a tokenizer's files; returns how many tokens it has. */
function writeTokenizer(folder: string, name: TokenizerName): number {
  const { metadata } = openGguf(golden(name));
  const files = { "tokenizer.json": tokenizerOf(metadata), "tokenizer_config.json": tokenizerConfigOf(metadata, 64) };
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), JSON.stringify(content));
  return metadata.texts("tokenizer.ggml.tokens")!.length;
}

/** Writes a model folder with random weights whose logits lie well apart. */
export function tinyModel(folder: string, tokenizer: TokenizerName, config: JsonObject): string {
  mkdirSync(folder, { recursive: true });
  const vocab_size = writeTokenizer(folder, tokenizer) + UNUSED_TOKENS;
  writeWeights(folder, { vocab_size, ...BASE, ...config }, TASKS["causal-lm"].head);
  return folder;
}

/** Writes config.json and random weights. */
function writeWeights(folder: string, json: JsonObject, head: HeadKind, outputs = 0): void {
  writeFileSync(join(folder, "config.json"), JSON.stringify(json));
  torch.scope(() => {
    const model = buildModel(architectureOf(json), json, head, outputs);
    const generator = new torch.Generator(3);
    const tensors = Array.from(model.namedParameters(), ([path, { shape }]) => {
      const deviation = shape.length === 1 ? 0.3 : path.includes("embed") ? 1 : 1.5 / Math.sqrt(shape.at(-1)!);
      const mean = /norm\.weight$/i.test(path) && json.model_type !== "gemma3_text" ? 1 : 0;
      return [path, torch.normal_(torch.empty(shape), mean, deviation, { generator })] as const;
    });
    saveSafetensors(join(folder, "model.safetensors"), tensors, { format: "pt" });
  });
}

/** Encoders' sizes, under all the names that families have for them. */
const ENCODER = {
  ...{ hidden_size: 48, intermediate_size: 52, num_hidden_layers: 4, num_attention_heads: 3 },
  ...{ dim: 48, hidden_dim: 52, n_layers: 4, n_heads: 3 },
  ...{ max_position_embeddings: 40, type_vocab_size: 2 },
} as const;

/** An encoder that embeds texts. */
interface TinyEncoder {
  readonly config: JsonObject;
  /** The folder that has its tokenizer's files. */
  readonly tokenizer: string;
  /** Replaces parts of tokenizer.json and tokenizer_config.json. */
  readonly tokenizerJson?: JsonObject;
  readonly tokenizerConfig?: JsonObject;
  readonly format?: Partial<EmbeddingFormat>;
}

/** Writes the folder of a model of sentence-transformers with random weights. */
export function tinyEncoder(folder: string, encoder: TinyEncoder): string {
  writeWeights(folder, encoderConfig(folder, encoder), NO_HEAD);
  embedsTexts(folder, encoder.format);
  return folder;
}

/** Writes a CrossEncoder's folder with random weights. */
export function tinyReranker(
  folder: string,
  encoder: Omit<TinyEncoder, "format">,
  format: Partial<CrossEncoderFormat> = {},
): string {
  const labels = { id2label: { 0: "LABEL_0" }, label2id: { LABEL_0: 0 } };
  const architectures = [classNameOf(architectureOf(encoder.config), TASKS.reranking.head)];
  writeWeights(folder, { ...encoderConfig(folder, encoder), architectures, ...labels }, TASKS.reranking.head, 1);
  writeCrossEncoderFormat(folder, { ...PLAIN_RERANKER, ...format });
  return folder;
}

/** Writes an encoder's tokenizer; returns its config.json. */
function encoderConfig(folder: string, { config, tokenizer, ...changed }: TinyEncoder): JsonObject {
  mkdirSync(folder, { recursive: true });
  const change = (file: string, json: JsonObject = {}) =>
    writeFileSync(join(folder, file), JSON.stringify({ ...readJsonObject(join(tokenizer, file)), ...json }));
  change("tokenizer.json", changed.tokenizerJson);
  change("tokenizer_config.json", { model_max_length: 64, ...changed.tokenizerConfig });
  const { vocab } = readJsonObject(join(folder, "tokenizer.json")).model as { vocab: object };
  const vocab_size = Object.keys(vocab).length + UNUSED_TOKENS;
  return { vocab_size, ...ENCODER, ...config };
}

/** Writes the files by which sentence-transformers embeds texts with a model. */
export function embedsTexts(folder: string, format: Partial<EmbeddingFormat> = {}): string {
  const { hidden_size: width } = readJsonObject(join(folder, "config.json"));
  writeEmbeddingFormat(folder, { ...PLAIN_FORMAT, ...format }, width as number);
  return folder;
}

interface AdapterOptions {
  /** Of the random numbers. */
  readonly deviation?: number;
  readonly task?: TaskKind;
  /** Its bidora.json. */
  readonly metadata?: AdapterMetadata;
}

/** Writes an adapter with random tensors for a model folder. */
export async function tinyAdapter(
  folder: string,
  base: string,
  config: AdapterConfig,
  { deviation = 0.3, task = "causal-lm", metadata }: AdapterOptions = {},
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const generator = new torch.Generator(5);
  const outputs = TASKS[task].problem?.outputs[0] ?? 0;
  const { model } = await loadModel(base, { head: TASKS[task].head, outputs, dtype: "float32", generator });
  const adapted = inject(model, config, { generator });
  torch.noGrad(() => {
    for (const { tensor } of adapted.trained)
      torch.add_(tensor, torch.normal_(torch.empty(tensor.shape), 0, deviation, { generator }));
  });
  const origin = { taskType: TASKS[task].peftTaskType, baseModel: base, revision: undefined, metadata };
  writeAdapter(folder, { config, tensors: savedTensors(adapted), ...origin });
  return folder;
}

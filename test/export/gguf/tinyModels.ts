import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type AdapterConfig, inject, savedTensors, writeAdapter } from "../../../src/adapters/index.js";
import type { JsonObject } from "../../../src/files/json.js";
import { openGguf } from "../../../src/io/gguf/file.js";
import { tokenizerConfigOf, tokenizerOf } from "../../../src/io/gguf/tokenizer.js";
import { saveSafetensors } from "../../../src/io/safetensors.js";
import { architectureOf, buildModel, loadModel } from "../../../src/models/index.js";
import { TASKS } from "../../../src/tasks/index.js";
import * as torch from "../../../src/torch/index.js";

const golden = (name: string) => fileURLToPath(new URL(`../../golden/io/gguf/${name}.gguf`, import.meta.url));

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
  const json: JsonObject = { vocab_size, ...BASE, ...config };
  writeFileSync(join(folder, "config.json"), JSON.stringify(json));
  torch.scope(() => {
    const model = buildModel(architectureOf(json), json, TASKS["causal-lm"].head, 0);
    const generator = new torch.Generator(3);
    const tensors = Array.from(model.namedParameters(), ([path, { shape }]) => {
      const deviation = shape.length === 1 ? 0.3 : path.includes("embed") ? 1 : 1.5 / Math.sqrt(shape.at(-1)!);
      const mean = path.endsWith("norm.weight") && json.model_type !== "gemma3_text" ? 1 : 0;
      return [path, torch.normal_(torch.empty(shape), mean, deviation, { generator })] as const;
    });
    saveSafetensors(join(folder, "model.safetensors"), tensors, { format: "pt" });
  });
  return folder;
}

/** Writes an adapter with random tensors for a model folder. */
export async function tinyAdapter(
  folder: string,
  base: string,
  config: AdapterConfig,
  deviation = 0.3,
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const generator = new torch.Generator(5);
  const { model } = await loadModel(base, { head: TASKS["causal-lm"].head, outputs: 0, dtype: "float32", generator });
  const adapted = inject(model, config, { generator });
  torch.noGrad(() => {
    for (const { tensor } of adapted.trained)
      torch.add_(tensor, torch.normal_(torch.empty(tensor.shape), 0, deviation, { generator }));
  });
  const origin = { taskType: "CAUSAL_LM", baseModel: base, revision: undefined, metadata: undefined };
  writeAdapter(folder, { config, tensors: savedTensors(adapted), ...origin });
  return folder;
}

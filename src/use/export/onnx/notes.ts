/** What users of transformers.js must know about an exported model. */

import { own } from "../../../base/index.js";
import type { EmbeddingFormat } from "../../../formats/index.js";
import { classNameOf, type DecoderConfig, type ModelConfig, modelTypeOf } from "../../../models/index.js";
import { isOfLanguageModel } from "../../../tasks/index.js";
import type { Tokenizer } from "../../../text/index.js";
import type { ExportedModel } from "./exportedModel.js";

const DECODERS = ["gpt2", "llama", "mistral", "qwen2", "qwen3", "phi3", "gemma3_text", "smollm3"];

/**
 * Families that transformers.js 4 has no class for, by the suffix of the class's name (its src/models/registry.js; a test reads the
 * installed version). Its AutoModel has a class for every family.
 */
export const WITHOUT_CLASS: Readonly<Record<string, readonly string[]>> = {
  ForSequenceClassification: DECODERS,
  ForTokenClassification: DECODERS,
  ForQuestionAnswering: [...DECODERS, "modernbert", "esm"],
};

/** Sentences about what transformers.js does with the model. */
export async function notesOn(model: ExportedModel, tokenizer: Tokenizer): Promise<string[]> {
  const { architecture, task } = model;
  if (own(WITHOUT_CLASS, task.head.className)?.includes(modelTypeOf(architecture))) {
    const name = classNameOf(architecture, task.head);
    return [`transformers.js has no ${name}: run the graph with onnxruntime itself, which gives ${outputsOf(name)}.`];
  }
  const { embedding } = task;
  if (embedding) return [...notesOnEmbeddings(embedding), ...(await notesOnLastToken(embedding, tokenizer))];
  if (isOfLanguageModel(task)) return notesOnCache(model.model.config);
  if (task.problem?.type !== "regression") return [];
  const { activation } = task.reranking ?? {};
  const value = activation === undefined ? "are the value" : `give the score, by ${activation}`;
  return [
    "transformers.js's text-classification pipeline takes a softmax of the one output, which is always 1: call " +
      `AutoModelForSequenceClassification, whose logits ${value}.`,
  ];
}

/** Models whose cached keys become wrong at a length. */
function notesOnCache(config: ModelConfig): string[] {
  const ropes = "ropes" in config ? Object.values((config as DecoderConfig).ropes) : [];
  const at = ropes.flatMap(({ switchesAfter }) => switchesAfter ?? [])[0];
  if (at === undefined) return [];
  return [
    `This model has other RoPE frequencies for rows of more than ${at} tokens. A cache that grows from fewer tokens to more makes the ` +
      "graph fail, where transformers computes it again: start with an empty cache there.",
  ];
}

/** What the pipeline must be given, since it reads none of sentence-transformers' files. */
function notesOnEmbeddings({ pooling, normalizes, prompts, defaultPrompt, includesPrompt }: EmbeddingFormat): string[] {
  const options = JSON.stringify({ pooling: pooling === "last" ? "last_token" : pooling, normalize: normalizes });
  const skipped = includesPrompt ? "" : "; their tokens count in the pooling there, which they do not for this model";
  const names = Object.keys(prompts).map((name) => (name === defaultPrompt ? `${name}, predict's default` : name));
  return [
    `transformers.js's feature-extraction pipeline takes ${options} to give the embeddings that the graph has as sentence_embedding.`,
    ...(names.length > 0
      ? [`transformers.js puts no prompt before a text: write it there yourself (${names.join("; ")})${skipped}.`]
      : []),
  ];
}

/** A last token that is cut off, although the embedding is read from it. */
async function notesOnLastToken({ pooling }: EmbeddingFormat, tokenizer: Tokenizer): Promise<string[]> {
  const last = pooling === "last" ? (await tokenizer.suffixIds()).at(-1) : undefined;
  if (last === undefined) return [];
  return [
    `transformers.js cuts long texts without keeping ${tokenizer.tokenText(last)} at their end, which this model reads the embedding ` +
      "from: give it texts within model_max_length of tokenizer_config.json, or their embeddings differ from bidora's.",
  ];
}

const outputsOf = (name: string): string =>
  name.endsWith("ForQuestionAnswering") ? "start_logits and end_logits" : "logits";

/** What a GGUF file says of how a model embeds texts, and what it can't say. */

import type { TokenizerParts } from "../../../formats/gguf/index.js";
import type { EmbeddingFormat } from "../../../formats/index.js";
import { maxLengthOf } from "../../../tasks/index.js";
import type { Tokenizer } from "../../../text/index.js";
import type { OpenModel } from "../../inference/open.js";
import type { Form } from "./form.js";
import { tokenNotes } from "./tokenNotes.js";

/** The most tokens of a text or a pair, as in `predict`: the adapter's, or the folder's. */
export function limitOf(
  { metadata, model }: OpenModel,
  { maxLength }: Pick<EmbeddingFormat, "maxLength">,
  tokenizer: Tokenizer,
): number {
  const { maxTokens } = model.config;
  const limits = { tokenizer, modelTokens: maxTokens, folderLength: maxLength };
  return maxLengthOf(metadata?.maxLength ?? maxLength ?? maxTokens, false, limits);
}

/** Notes on what llama.cpp does differently, and which of its options to set. */
export function notesOnEmbeddings(format: EmbeddingFormat, { context }: Form, parts: TokenizerParts): string[] {
  const { pooling, normalizes } = format;
  const option = normalizes
    ? "--embd-normalize 2, its default"
    : "--embd-normalize -1, since its embeddings are not normalized (Ollama always normalizes)";
  return [
    `llama.cpp reads the pooling (${pooling}) from the file, and normalizes by an option of its own: this model needs ${option}.`,
    `A text has at most ${context} tokens: bidora and Ollama cut longer ones, llama-server refuses them.`,
    ...promptNotes(format),
    ...tokenNotes(parts),
  ];
}

function promptNotes({ prompts, pooling, includesPrompt }: EmbeddingFormat): string[] {
  const names = Object.keys(prompts);
  if (names.length === 0) return [];
  const skipped =
    includesPrompt || pooling === "last"
      ? ""
      : ". llama.cpp pools their tokens too, which this model does not (include_prompt false): embeddings of texts with a prompt differ";
  return [`The file has no prompts: write them before the texts yourself (${names.join(", ")})${skipped}.`];
}

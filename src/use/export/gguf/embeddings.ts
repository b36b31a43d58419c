/** What a GGUF file says of how a model embeds texts, and what it can't say. */

import { isJsonObject } from "../../../base/records/index.js";
import { type TokenizerParts, wordSettings } from "../../../formats/gguf/index.js";
import type { EmbeddingFormat } from "../../../formats/index.js";
import { maxLengthOf } from "../../../tasks/index.js";
import type { Tokenizer } from "../../../text/index.js";
import type { OpenModel } from "../../inference/open.js";
import type { Form } from "./form.js";

/** The most tokens of a text or a pair, as in `predict`: the adapter's, or the folder's. */
export function limitOf(
  { metadata, model }: OpenModel,
  { maxLength }: Pick<EmbeddingFormat, "maxLength">,
  tokenizer: Tokenizer,
): number {
  const { maxTokens } = model.config;
  return maxLengthOf(metadata?.maxLength ?? maxLength ?? maxTokens, false, tokenizer, maxTokens);
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

/** Where llama.cpp gives other tokens, which no setting of a file changes. */
export function tokenNotes(parts: TokenizerParts): string[] {
  const { model, normalizer } = parts.json;
  if (isJsonObject(model) && model.type === "WordPiece") return wordNotes(parts);
  return isJsonObject(normalizer) && normalizer.type === "NFC" ? [COMPOSES] : [];
}

const COMPOSES =
  "llama.cpp does not compose characters (Unicode's NFC), as this tokenizer does: give it texts in that form.";

function wordNotes(parts: TokenizerParts): string[] {
  const { lowercases, stripsAccents } = wordSettings(parts);
  const scripts = stripsAccents ? ", and in Korean and Indic scripts" : "";
  return [
    `llama.cpp's WordPiece gives other tokens than this tokenizer in words of more than 100 characters${scripts}.`,
    ...(lowercases && stripsAccents ? [] : [KEEPS_CASE]),
  ];
}

const KEEPS_CASE =
  "This tokenizer keeps case or accents. Versions of llama.cpp that don't read tokenizer.ggml.normalizer.lowercase and strip_accents, and " +
  "Ollama's own engine, lowercase every text, and give other embeddings without an error.";

import { join } from "node:path";
import type { JsonObject } from "../../../../src/base/records/json.js";
import { GOLDEN } from "../../../parity/goldenFiles.js";
import { tinyEncoder } from "./tinyModels.js";

/** Folders with tokenizers: BERT's, RoBERTa's, and XLM-RoBERTa's. */
export const WORD_PIECE = join(GOLDEN, "embeddings/bert-mean");
export const BYTE_LEVEL = join(GOLDEN, "roberta/single");
export const UNIGRAM = join(GOLDEN, "io/gguf/unigram");

/** Settings of RoBERTa and XLM-RoBERTa, whose position table starts with rows for padding. */
export const ROBERTA = { pad_token_id: 1, type_vocab_size: 1, layer_norm_eps: 1e-5 };
export const MODERNBERT = {
  model_type: "modernbert",
  local_attention: 6,
  global_attn_every_n_layers: 3,
  pad_token_id: 0,
};
/** ModernBERT's tokenizer composes characters. */
export const COMPOSED = { normalizer: { type: "NFC" } };

export const METASPACE = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true };

/** The steps before XLM-RoBERTa's model as transformers now converts them, from those that split at spaces. */
export const cleaned = ({ normalizer }: JsonObject, stripsEnd = true): JsonObject => ({
  normalizer: {
    type: "Sequence",
    normalizers: [
      normalizer!,
      { type: "Strip", strip_left: false, strip_right: stripsEnd },
      { type: "Replace", pattern: { Regex: " {2,}" }, content: "▁" },
    ],
  },
  pre_tokenizer: METASPACE,
});

/** What a test changes of an encoder. */
export type EncoderChange = Partial<Parameters<typeof tinyEncoder>[1]>;

/** Writes BERT with a WordPiece tokenizer into a folder, and embeds texts with it. */
export const encoderIn = (folder: string, change: EncoderChange = {}): string =>
  tinyEncoder(join(folder, "model"), { config: { model_type: "bert" }, tokenizer: WORD_PIECE, ...change });

/** Writes ModernBERT. */
export const modernBertIn = (folder: string, config: JsonObject = {}): string =>
  encoderIn(folder, { config: { ...MODERNBERT, ...config }, tokenizer: BYTE_LEVEL, tokenizerJson: COMPOSED });

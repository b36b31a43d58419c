// From the metadata of a reranker's file to transformers' `config.json`.

import type { JsonObject } from "../../base/records/index.js";
import { EMBEDDINGS } from "./architectures.js";
import type { GgufFile } from "./file.js";
import { ArchitectureKeys } from "./metadata.js";
import { tokenId } from "./modelConfig.js";
import { HIDDEN_ACTIVATION, LABELS, type RerankerArchitecture } from "./rerankers.js";
import { ggufError } from "./types.js";

/**
 * The `config.json` of a reranker.
 * @throws BidoraError `GGUF` for what is missing, and for sizes that do not fit each other
 */
export function rerankerConfig(file: GgufFile, architecture: RerankerArchitecture): JsonObject {
  const { metadata } = file;
  const read = new ArchitectureKeys(metadata, architecture);
  const [vocab_size = 0, hidden_size = 0] = file.info(EMBEDDINGS).shape;
  const tokens = metadata.texts("tokenizer.ggml.tokens")?.length ?? 0;
  if (tokens > vocab_size)
    throw ggufError(
      file.path,
      `tokenizer.ggml.tokens has ${tokens} entries, but '${EMBEDDINGS}' has ${vocab_size} rows.`,
    );
  const heads = read.size("attention.head_count");
  if (hidden_size % heads !== 0)
    throw read.fault("attention.head_count", `is ${heads}, of which ${hidden_size} dimensions are no multiple.`);
  return {
    ...(architecture === "bert" ? bertConfig(file, read) : modernBertConfig(read)),
    ...{ hidden_size, vocab_size, num_attention_heads: heads },
    intermediate_size: read.size("feed_forward_length"),
    num_hidden_layers: read.size("block_count"),
    max_position_embeddings: read.size("context_length"),
    pad_token_id: tokenId(metadata, "padding", vocab_size) ?? 0,
    ...labelKeys(read),
    ...{ problem_type: "regression", dtype: "float32" },
  };
}

const bertConfig = (file: GgufFile, read: ArchitectureKeys): JsonObject => ({
  ...{ architectures: ["BertForSequenceClassification"], model_type: "bert" },
  layer_norm_eps: read.number("attention.layer_norm_epsilon"),
  hidden_act: read.optionalText(HIDDEN_ACTIVATION) ?? "gelu",
  type_vocab_size: file.info("token_types.weight").shape[0] ?? 1,
});

/** Its head reads the mean of all tokens, and every third layer has full attention unless the file says otherwise. */
const modernBertConfig = (read: ArchitectureKeys): JsonObject => ({
  ...{ architectures: ["ModernBertForSequenceClassification"], model_type: "modernbert", classifier_pooling: "mean" },
  norm_eps: read.number("attention.layer_norm_epsilon"),
  hidden_activation: read.optionalText(HIDDEN_ACTIVATION) ?? "gelu",
  local_attention: read.size("attention.sliding_window"),
  global_attn_every_n_layers: read.optionalCount("attention.sliding_window_pattern") ?? 3,
  global_rope_theta: read.number("rope.freq_base"),
  local_rope_theta: read.optionalNumber("rope.freq_base_swa") ?? 10000,
});

/** @throws BidoraError `GGUF` for a classifier of several labels */
function labelKeys(read: ArchitectureKeys): JsonObject {
  const [label = "score", ...others] = read.metadata.texts(read.name(LABELS)) ?? [];
  if (others.length > 0)
    throw read.fault(LABELS, `has ${others.length + 1} labels; expected a reranker, which has one output.`);
  return { id2label: { 0: label }, label2id: { [label]: 0 }, num_labels: 1 };
}

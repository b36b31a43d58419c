// Rerankers in files of llama.cpp's architecture `bert`: what only they have, and their configuration as transformers' BERT with a
// classifier. RoBERTa's and CamemBERT's are read as BERT too, which computes the same: the file has no rows for padding, and their heads
// are a dense layer, tanh and an output layer as well.

import type { JsonObject } from "../../base/records/index.js";
import { type CrossEncoderFormat, PLAIN_RERANKER, scoreActivationOf } from "../crossEncoder.js";
import { EMBEDDINGS } from "./architectures.js";
import { bertParameter } from "./encoders.js";
import type { GgufFile } from "./file.js";
import { ArchitectureKeys, type GgufPair, text, texts } from "./metadata.js";
import { tokenId } from "./modelConfig.js";
import { ggufError } from "./types.js";

const BERT = "bert";

/** What makes a score of the output, which llama.cpp leaves to its users. */
const SCORE_ACTIVATION = "bidora.score_activation";
const LABELS = "classifier.output_labels";
/** llama.cpp's key, which it does not read for `bert`. */
const HIDDEN_ACTIVATION = "hidden_activation";

/** What a file says of a reranker besides its architecture. */
interface RerankerFacts {
  /** The names of the outputs. */
  readonly labels: readonly string[];
  readonly activation: CrossEncoderFormat["activation"];
  /** The activation of feed-forward layers, as `config.json` names it. */
  readonly hiddenActivation: string;
}

/** The metadata that only rerankers have. @param name of the architecture */
export const rerankerPairs = (name: string, { labels, activation, hiddenActivation }: RerankerFacts): GgufPair[] => [
  [`${name}.${LABELS}`, texts(labels)],
  [`${name}.${HIDDEN_ACTIVATION}`, text(hiddenActivation)],
  [SCORE_ACTIVATION, text(activation)],
];

/** The tensors of a head: a dense layer, and the output layer. */
const HEAD = ["cls.weight", "cls.bias", "cls.output.weight", "cls.output.bias"];

/** Whether a file is a `bert` with a classifier. llama.cpp's converter gives it no pooling type. */
export const isReranker = ({ metadata, tensors }: Pick<GgufFile, "metadata" | "tensors">): boolean =>
  metadata.text("general.architecture") === BERT && HEAD.some((name) => tensors.has(name));

/**
 * Maps transformers' parameter names to the names of a reranker's tensors.
 * @throws BidoraError `GGUF` for a tensor that BERT doesn't have, and for a head with a part missing
 */
export function rerankerNames({ path, metadata, tensors }: GgufFile): ReadonlyMap<string, string> {
  const layers = new ArchitectureKeys(metadata, BERT).count("block_count");
  const missing = HEAD.filter((name) => !tensors.has(name));
  if (missing.length > 0)
    throw ggufError(
      path,
      `it has no ${missing.join(", ")}: expected a head of two layers. llama.cpp's own converter leaves out BERT's first: write the file with \`bidora export --to gguf\`.`,
    );
  return new Map(
    Array.from(tensors.keys(), (tensor) => {
      const parameter = bertParameter(tensor);
      const layer = Number(/^blk\.(\d+)\./.exec(tensor)?.[1] ?? -1);
      if (parameter !== undefined && layer < layers) return [parameter, tensor];
      throw ggufError(path, `tensor '${tensor}' is not part of a reranker of BERT with ${layers} layers.`);
    }),
  );
}

/**
 * The `config.json` of a reranker.
 * @throws BidoraError `GGUF` for what is missing, and for sizes that do not fit each other
 */
export function rerankerConfig(file: GgufFile): JsonObject {
  const { metadata } = file;
  const read = new ArchitectureKeys(metadata, BERT);
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
    ...{ architectures: ["BertForSequenceClassification"], model_type: BERT },
    ...{ hidden_size, vocab_size, num_attention_heads: heads },
    intermediate_size: read.size("feed_forward_length"),
    num_hidden_layers: read.size("block_count"),
    max_position_embeddings: read.size("context_length"),
    layer_norm_eps: read.number("attention.layer_norm_epsilon"),
    hidden_act: read.optionalText(HIDDEN_ACTIVATION) ?? "gelu",
    type_vocab_size: file.info("token_types.weight").shape[0] ?? 1,
    pad_token_id: tokenId(metadata, "padding", vocab_size) ?? 0,
    ...labelKeys(read),
    ...{ problem_type: "regression", dtype: "float32" },
  };
}

/** @throws BidoraError `GGUF` for a classifier of several labels */
function labelKeys(read: ArchitectureKeys): JsonObject {
  const [label = "score", ...others] = read.metadata.texts(read.name(LABELS)) ?? [];
  if (others.length > 0)
    throw read.fault(LABELS, `has ${others.length + 1} labels; expected a reranker, which has one output.`);
  return { id2label: { 0: label }, label2id: { [label]: 0 }, num_labels: 1 };
}

/** How a reranker's scores come of its outputs; as of a folder that says nothing where the file is not bidora's. */
export function rerankerFormat({ metadata, path }: GgufFile): CrossEncoderFormat {
  const named = metadata.text(SCORE_ACTIVATION);
  const activation = named === undefined ? PLAIN_RERANKER.activation : scoreActivationOf(named);
  if (activation) return { activation, maxLength: new ArchitectureKeys(metadata, BERT).size("context_length") };
  throw ggufError(path, `${SCORE_ACTIVATION} is ${JSON.stringify(named)}; expected sigmoid, identity or tanh.`);
}

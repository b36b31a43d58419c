// Rerankers in files of llama.cpp's architectures `bert` and `modern-bert`: what only they have, and their tensors as parameters of
// transformers' BERT or ModernBERT with a classifier. RoBERTa's and CamemBERT's are read as BERT too, which computes the same: the file has
// no rows for padding, and their heads are a dense layer, tanh and an output layer as well.

import { own } from "../../base/index.js";
import { type CrossEncoderFormat, PLAIN_RERANKER, scoreActivationOf } from "../crossEncoder.js";
import { encoderParameter, READ_ENCODERS } from "./encoders.js";
import type { GgufFile } from "./file.js";
import { ArchitectureKeys, type GgufPair, text, texts } from "./metadata.js";
import { ggufError } from "./types.js";

/** What makes a score of the output, which llama.cpp leaves to its users. */
const SCORE_ACTIVATION = "bidora.score_activation";
export const LABELS = "classifier.output_labels";
/** llama.cpp's key, which it does not read for `bert`. */
export const HIDDEN_ACTIVATION = "hidden_activation";

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

/** The tensors of a head: a dense layer, in ModernBERT a norm, and the output layer. */
const HEADS = {
  bert: ["cls.weight", "cls.bias", "cls.output.weight", "cls.output.bias"],
  "modern-bert": ["cls.weight", "cls.norm.weight", "cls.output.weight", "cls.output.bias"],
} as const;

/** An architecture whose rerankers are read. */
export type RerankerArchitecture = keyof typeof HEADS;

/** The architecture of a file with an encoder and a classifier; undefined for other files. llama.cpp's converter gives it no pooling type. */
export function rerankerArchitecture({ metadata, tensors }: Pick<GgufFile, "metadata" | "tensors">) {
  const name = metadata.text("general.architecture") ?? "";
  const head: readonly string[] = own(HEADS, name) ?? [];
  return head.some((tensor) => tensors.has(tensor)) ? (name as RerankerArchitecture) : undefined;
}

/**
 * Maps transformers' parameter names to the names of a reranker's tensors.
 * @throws BidoraError `GGUF` for a tensor that the architecture doesn't have, and for a head with a part missing
 */
export function rerankerNames(
  { path, metadata, tensors }: GgufFile,
  architecture: RerankerArchitecture,
): ReadonlyMap<string, string> {
  const layers = new ArchitectureKeys(metadata, architecture).count("block_count");
  const missing = HEADS[architecture].filter((name) => !tensors.has(name));
  if (missing.length > 0)
    throw ggufError(
      path,
      `it has no ${missing.join(", ")}: expected a head of two layers. llama.cpp's own converter leaves out BERT's first: write the file with \`bidora export --to gguf\`.`,
    );
  return new Map(
    Array.from(tensors.keys(), (tensor) => {
      const parameter = encoderParameter(READ_ENCODERS[architecture], tensor);
      const layer = Number(/^blk\.(\d+)\./.exec(tensor)?.[1] ?? -1);
      if (parameter !== undefined && layer < layers) return [parameter, tensor];
      throw ggufError(path, `tensor '${tensor}' is not part of a reranker of ${architecture} with ${layers} layers.`);
    }),
  );
}

/** How a reranker's scores come of its outputs; as of a folder that says nothing where the file is not bidora's. */
export function rerankerFormat({ metadata, path }: GgufFile, architecture: RerankerArchitecture): CrossEncoderFormat {
  const named = metadata.text(SCORE_ACTIVATION);
  const activation = named === undefined ? PLAIN_RERANKER.activation : scoreActivationOf(named);
  if (activation) return { activation, maxLength: new ArchitectureKeys(metadata, architecture).size("context_length") };
  throw ggufError(path, `${SCORE_ACTIVATION} is ${JSON.stringify(named)}; expected sigmoid, identity or tanh.`);
}

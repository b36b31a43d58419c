// How a file's model embeds texts.

import type { EmbeddingFormat, Pooling } from "../sentenceTransformers.js";
import { count, type GgufMetadata, type GgufPair } from "./metadata.js";
import { ggufError } from "./types.js";

/** llama.cpp's numbers (`enum llama_pooling_type`). */
const NONE = 0;
const POOLINGS: Readonly<Record<Pooling, number>> = { mean: 1, cls: 2, last: 3 };
/** The head's output of the first token, in ModernBERT of the mean. */
const RANK = 4;

const keyOf = (architecture: string): string => `${architecture}.pooling_type`;

/** The metadata of a model that embeds texts. @param architecture its name */
export const poolingPair = (architecture: string, { pooling }: Pick<EmbeddingFormat, "pooling">): GgufPair => [
  keyOf(architecture),
  count(POOLINGS[pooling]),
];

/** The metadata of a reranker. @param architecture its name */
export const rankPair = (architecture: string): GgufPair => [keyOf(architecture), count(RANK)];

/**
 * The pooling of a file without a head; undefined for a language model's.
 * @throws BidoraError `GGUF` for a pooling that is not supported
 */
export function poolingOf(metadata: GgufMetadata): Pooling | undefined {
  const key = keyOf(metadata.text("general.architecture") ?? "");
  const type = metadata.count(key) ?? NONE;
  if (type === NONE) return undefined;
  const found = Object.entries(POOLINGS).find(([, number]) => number === type);
  if (found) return found[0] as Pooling;
  const what = type === RANK ? "4 (rank), which a model without a classifier does not have" : `${type}`;
  throw ggufError(metadata.path, `${key} is ${what}; expected 1 (mean), 2 (cls), 3 (last), or no such key.`);
}

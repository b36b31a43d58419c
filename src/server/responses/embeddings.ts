/** Responses of `/v1/embeddings`. */
import type { Embeddings } from "../embedder.js";
import type { EmbeddingsRequest } from "../requests/embeddings.js";

export function embeddingsJson({ model, encoding_format }: EmbeddingsRequest, { vectors, tokens }: Embeddings): object {
  const shown = encoding_format === "base64" ? base64 : (vector: readonly number[]) => vector;
  const data = vectors.map((vector, index) => ({ object: "embedding", index, embedding: shown(vector) }));
  return { object: "list", model, data, usage: { prompt_tokens: tokens, total_tokens: tokens } };
}

/** The bytes of float32 numbers, little-endian. */
function base64(vector: readonly number[]): string {
  const bytes = Buffer.alloc(4 * vector.length);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, 4 * i);
  return bytes.toString("base64");
}

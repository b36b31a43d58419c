/** Responses of `/v1/embeddings`. */
import type { EmbeddedInputs } from "../embedder.js";
import type { EmbeddingsRequest } from "../requests/embeddings.js";
import { jsonInParts } from "./parts.js";

type Format = EmbeddingsRequest["encoding_format"];

export function embeddingsJson(
  { model, encoding_format }: EmbeddingsRequest,
  { vectors, tokens }: EmbeddedInputs,
): Promise<string> {
  const response = { object: "list", data: [], model, usage: { prompt_tokens: tokens, total_tokens: tokens } };
  return jsonInParts(response, "data", entries(vectors, encoding_format));
}

function* entries(vectors: EmbeddedInputs["vectors"], format: Format): Iterable<object> {
  for (const [index, vector] of vectors.entries())
    yield { object: "embedding", index, embedding: format === "base64" ? base64(vector) : vector };
}

/** The bytes of float32 numbers, little-endian. */
function base64(vector: readonly number[]): string {
  const bytes = Buffer.alloc(4 * vector.length);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, 4 * i);
  return bytes.toString("base64");
}

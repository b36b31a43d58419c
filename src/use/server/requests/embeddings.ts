/** Requests for `/v1/embeddings`. */
import { z } from "zod";
import { inputs } from "./inputs.js";
import { readBody } from "./read.js";

const schema = z.strictObject({
  model: z.string(),
  input: inputs,
  encoding_format: z.enum(["float", "base64"]).default("float"),
});

export type EmbeddingsRequest = z.infer<typeof schema>;

/** @throws ApiError 400 */
export const readEmbeddings = (body: unknown): EmbeddingsRequest => readBody(schema, body);

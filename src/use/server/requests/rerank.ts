/** Requests for `/v1/rerank`, in the form of Jina and Cohere. */
import { z } from "zod";
import { aText, listOf } from "./inputs.js";
import { readBody } from "./read.js";

const document = z.union([aText, z.strictObject({ text: aText }).transform(({ text }) => text)], {
  error: (issue) => (issue.code === "invalid_union" ? 'a string or {"text": a string}' : undefined),
});

const schema = z.strictObject({
  model: z.string(),
  query: aText,
  documents: listOf(document),
  top_n: z.int().min(1).optional(),
  return_documents: z.boolean().default(false),
});

export type RerankRequest = z.infer<typeof schema>;

/** @throws ApiError 400 */
export const readRerank = (body: unknown): RerankRequest => readBody(schema, body);

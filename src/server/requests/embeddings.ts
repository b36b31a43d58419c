/** Requests for `/v1/embeddings`. */
import { z } from "zod";
import { aText } from "./generation.js";
import { readBody } from "./read.js";

/** OpenAI's limit. */
const MOST_INPUTS = 2048;

const ids = z.array(z.int().min(0)).min(1);

const schema = z.strictObject({
  model: z.string(),
  input: z.union(
    [
      aText.transform((one): readonly Embedded[] => [one]),
      ids.transform((one): readonly Embedded[] => [one]),
      z.array(aText).min(1).max(MOST_INPUTS),
      z.array(ids).min(1).max(MOST_INPUTS),
    ],
    `a string or token ids, or a list of at most ${MOST_INPUTS} of either`,
  ),
  encoding_format: z.enum(["float", "base64"]).default("float"),
});

/** A text, or token ids. */
export type Embedded = string | readonly number[];

export type EmbeddingsRequest = Omit<z.infer<typeof schema>, "input"> & { readonly input: readonly Embedded[] };

/** @throws ApiError 400 */
export const readEmbeddings = (body: unknown): EmbeddingsRequest => readBody(schema, body) as EmbeddingsRequest;

/** Requests for `/v1/completions`. */
import { z } from "zod";
import { invalid } from "../apiError.js";
import { aText, checkGeneration, generationKeys } from "./generation.js";
import { readBody } from "./read.js";

const ids = z.array(z.int().min(0)).min(1);
/** OpenAI's default. */
const NEW_TOKENS = 16;

const schema = z.strictObject({
  ...generationKeys,
  prompt: z.union(
    [
      aText.transform((one): readonly Prompted[] => [one]),
      ids.transform((one): readonly Prompted[] => [one]),
      z.array(aText).min(1),
      z.array(ids).min(1),
    ],
    "a string or token ids, or a list of either",
  ),
  max_tokens: z.int().min(0).optional(),
  echo: z.boolean().default(false),
  logprobs: z.int().min(0).max(20).optional(),
});

/** A prompt: a text, or token ids. */
export type Prompted = string | readonly number[];

export type CompletionRequest = Omit<z.infer<typeof schema>, "prompt"> & { readonly prompt: readonly Prompted[] };

/** The number of tokens to generate: as asked for, or OpenAI's default, as far as the model's positions allow. */
export const newTokensOf = ({
  max_tokens: asked,
}: CompletionRequest): { readonly wanted: number; readonly isAsked: boolean } => ({
  wanted: asked ?? NEW_TOKENS,
  isAsked: asked !== undefined,
});

/** @throws ApiError 400 */
export function readCompletion(body: unknown): CompletionRequest {
  const request = readBody(schema, body);
  checkGeneration(request, request.prompt.length);
  if (request.max_tokens === 0 && !request.echo)
    throw invalid(
      "max_tokens 0 is for echo: true, for a prompt's log-probabilities: ask for at least one token.",
      "max_tokens",
    );
  return request;
}

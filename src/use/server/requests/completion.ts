/** Requests for `/v1/completions`. */
import { z } from "zod";
import { invalid } from "../apiError.js";
import { checkGenerationRequest, generationKeys } from "./generation.js";
import { inputs } from "./inputs.js";
import { readBody } from "./read.js";

/** OpenAI's default. */
const NEW_TOKENS = 16;

const schema = z.strictObject({
  ...generationKeys,
  prompt: inputs,
  max_tokens: z.int().min(0).optional(),
  echo: z.boolean().default(false),
  logprobs: z.int().min(0).max(20).optional(),
});

export type CompletionRequest = z.infer<typeof schema>;

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
  checkGenerationRequest(request, request.prompt.length);
  if (request.max_tokens === 0 && !request.echo)
    throw invalid(
      "max_tokens 0 is for echo: true, for a prompt's log-probabilities: ask for at least one token.",
      "max_tokens",
    );
  return request;
}

/** Prompts as tokens, checked against the model. */
import { type GenerationConfig, maxNewTokensAfter, PromptTooLong } from "../generation/index.js";
import type { InferenceModel } from "../inference/open.js";
import { encodePrompts } from "../tasks/index.js";
import type { Message } from "../text/index.js";
import { invalid } from "./apiError.js";

/** A text, a conversation, or token ids. */
export type GivenPrompt = string | readonly Message[] | readonly number[];

/** How many new tokens a request wants: undefined for the model's default. Without `isAsked` fewer are right where no more fit. */
export interface NewTokenCount {
  readonly wanted: number | undefined;
  readonly isAsked: boolean;
}

/** A prompt's tokens, and how many may follow. */
export interface EncodedPrompt {
  readonly ids: readonly number[];
  readonly maxNewTokens: number;
}

const areIds = (prompt: GivenPrompt): prompt is readonly number[] => typeof prompt[0] === "number";

/**
 * Encodes prompts as `generate` does; token ids stay as they are.
 * @throws ApiError 400 for a prompt without tokens, with unknown ones, or that is too long; BidoraError as `encodePrompts`
 */
export async function encode(
  { model, tokenizer }: Pick<InferenceModel, "model" | "tokenizer">,
  prompts: readonly GivenPrompt[],
  count: NewTokenCount,
  own: GenerationConfig,
): Promise<EncodedPrompt[]> {
  const written = prompts.filter((prompt) => !areIds(prompt)) as (string | readonly Message[])[];
  const encoded = await encodePrompts(
    written.map((prompt) => ({
      input: { kind: "prompt", prompt, completion: undefined },
      label: undefined,
      at: { file: typeof prompt === "string" ? "prompt" : "messages", line: 0 },
    })),
    tokenizer,
  );
  let next = 0;
  return prompts.map((prompt) => {
    const ids = areIds(prompt) ? prompt : (encoded[next++] as readonly number[]);
    checkIds(ids, model.config.vocabSize);
    return { ids, maxNewTokens: newTokensAfter(ids.length, count, own, model.config.maxTokens) };
  });
}

function checkIds(ids: readonly number[], vocabSize: number): void {
  if (ids.length === 0)
    throw invalid("The prompt has no tokens, so there is nothing to continue: give a text.", "prompt");
  const unknown = ids.find((id) => id >= vocabSize);
  if (unknown !== undefined)
    throw invalid(`The prompt has the token id ${unknown}, but the model has ${vocabSize} tokens.`, "prompt");
}

function newTokensAfter(
  length: number,
  { wanted, isAsked }: NewTokenCount,
  own: GenerationConfig,
  positions: number,
): number {
  if (wanted === 0 && length <= positions) return 0;
  try {
    const room = maxNewTokensAfter(
      length,
      { maxNewTokens: isAsked ? wanted : undefined },
      own,
      positions,
      "The prompt",
    );
    return isAsked || wanted === undefined ? room : Math.min(wanted, positions - length);
  } catch (error) {
    if (!(error instanceof PromptTooLong)) throw error;
    const beside = isAsked ? `${wanted} new ones` : "a new one";
    throw invalid(
      `The prompt has ${length} tokens, which with ${beside} is more than the ${error.most + (isAsked ? (wanted as number) : 1)} that the model takes.`,
      undefined,
      "context_length_exceeded",
    );
  }
}

/** Prompts as tokens, checked against the model. */

import { type GenerationConfig, maxNewTokensAfter, PromptTooLong } from "../../models/generation/index.js";
import type { LanguageExample } from "../../tasks/data/index.js";
import { encodePromptUpTo } from "../../tasks/index.js";
import type { Conversation, Tokenizer } from "../../text/index.js";
import type { InferenceModel } from "../inference/open.js";
import { type ApiError, invalid } from "./apiError.js";

/** A text, a conversation, or token ids. */
export type GivenPrompt = string | Conversation | readonly number[];

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

const areIds = (prompt: GivenPrompt): prompt is readonly number[] => Array.isArray(prompt);

/**
 * Encodes prompts as `generate` does, one after the other; token ids stay as they are.
 * @throws ApiError 400 for a prompt without tokens, with unknown ones, or that is too long; BidoraError as `encodePrompts`; the
 *   signal's reason
 */
export async function encode(
  { model, tokenizer }: Pick<InferenceModel, "model" | "tokenizer">,
  prompts: readonly GivenPrompt[],
  { count, own, signal }: PromptEncoding,
): Promise<EncodedPrompt[]> {
  const { vocabSize, maxTokens } = model.config;
  const encoded: EncodedPrompt[] = [];
  for (const prompt of prompts) {
    const ids = areIds(prompt) ? prompt : await idsOf(prompt, tokenizer, maxTokens, signal);
    const maxNewTokens = newTokensAfter(ids.length, count, own, maxTokens);
    checkIds(ids, vocabSize);
    encoded.push({ ids, maxNewTokens });
  }
  return encoded;
}

interface PromptEncoding {
  readonly count: NewTokenCount;
  /** The model's settings. */
  readonly own: GenerationConfig;
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal;
}

/** The tokens of a prompt, which is tokenized no further than the model's positions reach. */
async function idsOf(
  prompt: string | Conversation,
  tokenizer: Tokenizer,
  positions: number,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const most = Math.max(MOST_PER_TOKEN * positions, LEAST_CHARACTERS);
  const characters = charactersIn(prompt);
  if (characters > most)
    throw tooLong(
      `The prompt has ${characters} characters, whose tokens are more than the ${positions} that the model takes.`,
    );
  const at = { file: typeof prompt === "string" ? "prompt" : "messages", line: 0 };
  const example: LanguageExample = { input: { kind: "prompt", prompt, completion: undefined }, label: undefined, at };
  const ids = await encodePromptUpTo(example, tokenizer, positions, signal);
  if (!ids) throw tooLong(`The prompt has more than the ${positions} tokens that the model takes.`);
  return ids;
}

/** A prompt of more characters for each of the model's positions is refused before it is tokenized: real ones have up to 10. */
const MOST_PER_TOKEN = 32;
const LEAST_CHARACTERS = 2 ** 16;

/** The characters of a prompt, with those of all fields of a conversation, its tools and its other variables. */
function charactersIn(prompt: string | Conversation): number {
  if (typeof prompt === "string") return prompt.length;
  const { messages, tools, chatTemplateKwargs } = prompt;
  const fields = messages.flatMap((message) => Object.values(message));
  return fields.reduce<number>(
    (sum, field) => sum + (typeof field === "string" ? field.length : lengthOf(field)),
    lengthOf(tools) + lengthOf(chatTemplateKwargs),
  );
}

/** The characters of a value's JSON; infinitely many for one that is nested too deeply. */
function lengthOf(value: unknown): number {
  try {
    return typeof value === "object" ? JSON.stringify(value).length : 0;
  } catch (error) {
    if (error instanceof RangeError) return Number.POSITIVE_INFINITY;
    throw error;
  }
}

const tooLong = (message: string): ApiError => invalid(message, undefined, "context_length_exceeded");

function checkIds(ids: readonly number[], vocabSize: number): void {
  if (ids.length === 0)
    throw invalid("The prompt has no tokens, so there is nothing to continue: give a text.", "prompt");
  refuseUnknownIds(ids, vocabSize, "prompt");
}

/** @param param of the request that has the ids @throws ApiError 400 for an id that the model does not have */
export function refuseUnknownIds(ids: readonly number[], vocabSize: number, param: "prompt" | "input"): void {
  const unknown = ids.find((id) => id >= vocabSize);
  if (unknown !== undefined)
    throw invalid(`The ${param} has the token id ${unknown}, but the model has ${vocabSize} tokens.`, param);
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
    throw tooLong(
      `The prompt has ${length} tokens, which with ${beside} is more than the ${error.most + (isAsked ? (wanted as number) : 1)} that the model takes.`,
    );
  }
}

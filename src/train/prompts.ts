import { BidoraError } from "../common/errors.js";
import { uniforms } from "../common/seededGenerator.js";
import { type LanguageExample, where } from "../data/index.js";
import { type GenerationConfig, type Prompt, roomAfter, type TextModel } from "../generation/index.js";
import { checkIds, encodePrompts } from "../tasks/index.js";

export interface PromptOptions {
  /** By default the model's own. */
  readonly maxNewTokens?: number | undefined;
  /** The most tokens that a prompt may have. */
  readonly maxLength?: number | undefined;
  /** Of what is drawn. */
  readonly seed?: number;
}

/**
 * Prompts as the model goes on from them.
 * @throws BidoraError `EMPTY_TEXT`, `PROMPT_TOO_LONG`, `VOCABULARY` naming the row
 */
export async function promptsOf(
  { model, tokenizer }: TextModel,
  examples: readonly LanguageExample[],
  own: GenerationConfig,
  { maxNewTokens, maxLength = Number.POSITIVE_INFINITY, seed = 0 }: PromptOptions,
): Promise<Prompt[]> {
  const encoded = await encodePrompts(examples, tokenizer);
  return encoded.map((ids, i) => {
    const name = where((examples[i] as LanguageExample).at);
    if (ids.length === 0)
      throw new BidoraError("EMPTY_TEXT", `${name} has no tokens, so there is nothing to go on from: give a text.`);
    if (ids.length > maxLength)
      throw new BidoraError(
        "PROMPT_TOO_LONG",
        `${name} has ${ids.length} tokens, and --max-length allows ${maxLength}: shorten it, or allow more.`,
      );
    checkIds({ inputIds: ids }, name, tokenizer, model.config);
    const room = roomAfter(ids.length, { maxNewTokens }, own, model.config.maxTokens, name);
    return { ids, maxNewTokens: room, uniform: uniforms(seed, i) };
  });
}

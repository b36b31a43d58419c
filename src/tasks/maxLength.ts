import { UsageError } from "../common/errors.js";
import type { Tokenizer } from "../text/index.js";

/**
 * The number of tokens that rows are cut to.
 * @throws UsageError for more than tokenizer or model allow, given by hand
 */
export function maxLengthOf(chosen: number, isGiven: boolean, tokenizer: Tokenizer, modelTokens: number): number {
  const cap = Math.min(modelTokens, tokenizer.modelMaxLength ?? Number.POSITIVE_INFINITY);
  if (isGiven && chosen > cap)
    throw new UsageError(`--max-length ${chosen} is more than the ${cap} tokens that the model takes.`);
  return Math.min(chosen, cap);
}

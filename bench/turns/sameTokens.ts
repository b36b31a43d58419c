import type { Measured } from "./compare.js";

/**
 * The tokens that a side generated.
 * @throws Error if there are not `newTokens` for each prompt
 */
export function generated({ facts }: Measured, prompts: number, newTokens: number): number[][] {
  const tokens = JSON.parse(String(facts.tokens)) as number[][];
  if (tokens.length === prompts && tokens.every(({ length }) => length === newTokens)) return tokens;
  throw new Error(
    `A side generated ${tokens.map(({ length }) => length)} tokens instead of ${prompts} × ${newTokens}.`,
  );
}

/** The length of the common prefix of two generations. With random weights, rounding may decide which token is the most likely. */
export function commonPrefixLength(one: readonly number[], other: readonly number[]): number {
  const parting = one.findIndex((token, i) => token !== other[i]);
  return parting < 0 ? one.length : parting;
}

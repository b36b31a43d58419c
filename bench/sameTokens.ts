import type { Measured } from "./compare.js";

/**
 * The tokens that a side went on with.
 * @throws Error where there are others than so many for each of the prompts
 */
export function generated({ facts }: Measured, prompts: number, newTokens: number): number[][] {
  const tokens = JSON.parse(String(facts.tokens)) as number[][];
  if (tokens.length === prompts && tokens.every(({ length }) => length === newTokens)) return tokens;
  throw new Error(
    `A side went on with ${tokens.map(({ length }) => length)} tokens in place of ${prompts} × ${newTokens}.`,
  );
}

/** How many tokens two continuations have in common before they part: of random weights rounding alone decides at times. */
export function inCommon(one: readonly number[], other: readonly number[]): number {
  const parting = one.findIndex((token, i) => token !== other[i]);
  return parting < 0 ? one.length : parting;
}

import { median, sum } from "d3-array";

/** What a piece of work took. */
export interface Timed {
  readonly tokens: number;
  readonly seconds: number;
}

/** Time as a line over the tokens. */
export interface Line {
  readonly base: number;
  readonly perToken: number;
}

/**
 * The line through what was measured, by the median of the slopes between any two (Theil and Sen's estimator), so that a
 * disturbance of the machine in one of them hardly moves it. Nothing takes less than no time, nor less with more tokens.
 */
export function fitLine(measured: readonly Timed[]): Line {
  const slopes = measured.flatMap((a, i) =>
    measured
      .slice(i + 1)
      .filter((b) => b.tokens !== a.tokens)
      .map((b) => (b.seconds - a.seconds) / (b.tokens - a.tokens)),
  );
  const perToken = Math.max(0, median(slopes) ?? 0);
  const base = median(measured, ({ tokens, seconds }) => seconds - perToken * tokens) ?? 0;
  if (base >= 0 && slopes.length > 0) return { base, perToken };
  // Where all have as many tokens, nothing tells what is there without them.
  return { base: 0, perToken: median(measured, ({ tokens, seconds }) => seconds / Math.max(1, tokens)) ?? 0 };
}

export const secondsAt = ({ base, perToken }: Line, tokens: number): number => base + perToken * tokens;

/** How much longer work took in all than its line says: the mean of times is above their median. */
export function meanOverLine(line: Line, measured: readonly Timed[]): number {
  const expected = sum(measured, ({ tokens }) => secondsAt(line, tokens));
  return expected > 0 ? sum(measured, ({ seconds }) => seconds) / expected : 1;
}

/** Some of the numbers below `count`, each once, of which any first few lie evenly: the middle, the quarters, the eighths, … */
export function spread(count: number, most: number): number[] {
  const found = new Set<number>();
  for (let i = 1; found.size < Math.min(count, most); i++) found.add(Math.floor(vanDerCorput(i) * count));
  return [...found];
}

/** The digits of `index` in base 2, turned over and put behind the point. */
function vanDerCorput(index: number): number {
  let [value, digit] = [0, 0.5];
  for (let rest = index; rest > 0; rest >>= 1, digit /= 2) value += (rest & 1) * digit;
  return value;
}

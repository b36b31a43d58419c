/** The lengths of a run's rows in tokens, and what `--max-length` cuts off. */
import { quantileSorted } from "d3-array";
import type { Location } from "../../tasks/data/index.js";
import type { EncodedExample } from "../../tasks/index.js";

/** The lengths of all rows as numbers that fit on a line. */
export interface LengthSummary {
  readonly rows: number;
  readonly least: number;
  readonly median: number;
  readonly mean: number;
  /** Of 100 rows, 95 are no longer. */
  readonly p95: number;
  readonly most: number;
  readonly tokens: number;
  /** For language models: how many tokens are trained on. */
  readonly trained?: number;
  readonly maxLength: number;
  /** Rows that are as long as the maximum length. */
  readonly full: number;
  /** Rows that lose tokens to it, and how many tokens. */
  readonly cut: number;
  readonly cutTokens: number;
}

/** More tokens than any row has. */
const UNLIMITED = 2 ** 31;

/** Encodes examples again with another maximum length. */
type Encode<E> = (examples: readonly E[], maxLength: number) => Promise<readonly EncodedExample[]>;

/**
 * How many tokens of each example are beyond the maximum length, where there are any. Examples that are continued in further parts lose
 * none.
 */
export async function cutTokens<E extends { readonly at: Location }>(
  encoded: readonly EncodedExample[],
  examples: readonly E[],
  maxLength: number,
  encode: Encode<E>,
): Promise<ReadonlyMap<Location, number>> {
  const kept = tokensByExample(encoded);
  // Where something was cut, there are as many tokens as fit.
  const long = examples.filter(({ at }) => (kept.get(at) ?? 0) >= maxLength);
  if (long.length === 0) return new Map();
  const whole = tokensByExample(await encode(long, UNLIMITED));
  const pairs = [...whole].map(([at, tokens]) => [at, tokens - (kept.get(at) ?? 0)] as const);
  return new Map(pairs.filter(([, lost]) => lost > 0));
}

function tokensByExample(encoded: readonly EncodedExample[]): Map<Location, number> {
  const sums = new Map<Location, number>();
  for (const { at, inputIds } of encoded) sums.set(at, (sums.get(at) ?? 0) + inputIds.length);
  return sums;
}

interface Measured {
  readonly lengths: readonly number[];
  readonly maxLength: number;
  readonly bearing: number | undefined;
  readonly cut: readonly number[];
}

export function lengthSummary({ lengths, maxLength, bearing, cut }: Measured): LengthSummary {
  const sorted = [...lengths].sort((a, b) => a - b);
  const tokens = sorted.reduce((sum, length) => sum + length, 0);
  const at = (share: number) => quantileSorted(sorted, share) ?? 0;
  return {
    rows: sorted.length,
    ...{
      least: at(0),
      median: at(0.5),
      mean: sorted.length === 0 ? 0 : tokens / sorted.length,
      p95: at(0.95),
      most: at(1),
    },
    tokens,
    ...(bearing !== undefined && { trained: bearing }),
    maxLength,
    full: sorted.filter((length) => length === maxLength).length,
    cut: cut.length,
    cutTokens: cut.reduce((sum, lost) => sum + lost, 0),
  };
}

/** The same as a sentence. */
export function lengthSentence({
  rows,
  least,
  mean,
  most,
  tokens,
  trained,
  maxLength,
  full,
  ...lost
}: LengthSummary): string {
  const loss = trained === undefined ? "" : `, ${trained} of which are trained on`;
  const cut = lost.cut === 0 ? "" : `; ${lost.cut} lose ${lost.cutTokens} tokens to it`;
  return `${rows} rows of ${least} to ${most} tokens, ${mean.toFixed(1)} on average, ${tokens} in all${loss}; ${full} as long as --max-length ${maxLength} allows${cut}.`;
}

// Holm's correction for multiple tests, and which tests have too few pairs to find anything.
import padjust from "@stdlib/stats-padjust";
import { group } from "d3-array";
import type { SignificanceTest } from "../../base/records/index.js";

const LEVEL = 0.05;

export const isSignificant = (p: number): boolean => p < LEVEL;

/** p-values corrected by Holm (1979), in the given order. */
export const holm = (pValues: readonly number[]): number[] =>
  pValues.length === 0 ? [] : padjust([...pValues], "holm");

/** What identifies a test's family. Tests without `task` are over several tasks. */
interface Identified {
  readonly test: string;
  readonly metric: string;
  readonly kind?: string;
  readonly task?: string;
}

/** A test before the correction, of each kind of test. */
export type Uncorrected<Test> = Test extends unknown ? Omit<Test, "pHolm"> : never;

/**
 * Identifies the family of tests that p-values are corrected over: one kind of test, one metric, of one kind, and one task; of tests over
 * seeds and rows all that the comparison has.
 */
export const familyOf = ({ test, metric, kind, task }: Identified): string =>
  JSON.stringify(test === "two-level" ? [test] : [test, metric, task, kind]);

/** The entries in the same order, each with `pHolm`, its p-value corrected within its family. */
export function withHolm<Entry extends Identified & { readonly p: number }>(
  entries: readonly Entry[],
): (Entry & { readonly pHolm: number })[] {
  const families = group(entries, familyOf);
  const corrected = new Map<Entry, number>();
  for (const family of families.values()) {
    const pHolm = holm(family.map(({ p }) => p));
    for (const [place, entry] of family.entries()) corrected.set(entry, pHolm[place]!);
  }
  return entries.map((entry) => ({ ...entry, pHolm: corrected.get(entry)! }));
}

/** The smallest p-value of a sign-symmetric test of n differing pairs: that of equal signs, 2 of 2^n equally likely outcomes. */
const smallestP = (pairs: number): number => Math.min(1, 2 / 2 ** pairs);

/** How many differing pairs an exact test needs for p < 0.05 to be possible. @param family the number of tests corrected together */
export const pairsNeeded = (family = 1): number => Math.floor(Math.log2((2 * family) / LEVEL)) + 1;

/**
 * The tests that can't be significant after the correction whatever their outcome, because so few of their pairs differ. The exact test's
 * limit is applied to the bootstrap, too, which has none: for few differing rows its p-values are too small.
 */
export function withTooFewPairs<Test extends Identified & Pick<SignificanceTest, "differing">>(
  tests: readonly Test[],
): ReadonlySet<Test> {
  // Corrected p-values increase with the raw ones, so the smallest raw ones give the smallest corrected ones.
  const clearest = withHolm(tests.map((test) => ({ ...test, p: smallestP(test.differing) })));
  return new Set(tests.filter((_, i) => !isSignificant(clearest[i]!.pHolm)));
}

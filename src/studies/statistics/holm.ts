// Holm's correction for multiple tests, and notes on families of tests that are too small to find anything.
import padjust from "@stdlib/stats-padjust";
import { group } from "d3-array";
import { formatCount } from "../../base/index.js";
import type { SignificanceTest } from "../../base/records/index.js";

const LEVEL = 0.05;

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
 * Notes for a family of tests in which some can't be significant (corrected p < 0.05) whatever their outcome, each with the pairs of methods
 * that it is about; none if all can. The exact test's limit is applied to the bootstrap, too. The bootstrap has no such limit, but for few
 * differing rows its p-values are too small.
 * @param family the tests that Holm's correction is over
 */
export function underpoweredNotes(family: readonly SignificanceTest[]): string[] {
  // Corrected p-values increase with the raw ones, so the smallest raw ones give the smallest corrected ones.
  const corrected = holm(family.map(({ differing }) => smallestP(differing)));
  const severalTasks = new Set(family.map(({ task }) => task)).size > 1;
  const weak = family.map((test, i) => ({ test, least: corrected[i]! })).filter(({ least }) => least >= LEVEL);
  if (weak.length === family.length && weak.length > 1)
    return [note(`All ${formatCount(weak.length)} pairs of methods have`, weak, family.length)];
  const alike = [...group(weak, ({ test: { differing } }) => differing).values()];
  const namesOf = (some: typeof weak) =>
    some.map(({ test: { a, b, task } }) => `${a} – ${b}${severalTasks ? ` on ${task}` : ""}`).join(", ");
  return alike.map((some) => note(`${namesOf(some)} ${some.length > 1 ? "have" : "has"}`, some, family.length));
}

const ROWS = ["row that is scored differently", "rows that are scored differently"] as const;

const PAIRS = {
  wilcoxon: ["differing pair", "differing pairs"],
  "wilcoxon-tasks": ["task whose means differ", "tasks whose means differ"],
  bootstrap: ROWS,
  "two-level": ROWS,
  equivalence: ROWS,
} as const;

/** @param whoHas the pairs of methods @param alike their tests, of one kind */
function note(whoHas: string, alike: readonly { test: SignificanceTest; least: number }[], family: number): string {
  const counts = alike.map(({ test }) => test.differing);
  const [most, isOne] = [Math.max(...counts), new Set(counts).size === 1];
  const { test } = alike[0]!.test;
  const [single, several] = PAIRS[test];
  const have = `${isOne ? "" : "at most "}${formatCount(most)} ${most === 1 ? single : several}`;
  const limit = Number(Math.min(...alike.map(({ least }) => least)).toPrecision(3));
  const corrected = family > 1 ? `, corrected for ${family} tests` : "";
  const reach =
    PAIRS[test] === ROWS && most > 0
      ? `the bootstrap's p tends to be too small for so few, an exact test's would be at least ${limit}`
      : `the smallest p that an exact test can reach is ${limit}`;
  return `${whoHas} ${have}, too few: ${reach}${corrected}; p < ${LEVEL} needs at least ${formatCount(pairsNeeded(family))}.`;
}

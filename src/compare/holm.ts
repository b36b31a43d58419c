import padjust from "@stdlib/stats-padjust";
import { group } from "d3-array";
import { formatCount } from "../common/format.js";
import type { SignificanceTest } from "../files/comparison.js";

/** p-values as Holm (1979) corrects them for being several, in the given order: never below the raw ones, never above 1. */
export const holm = (pValues: readonly number[]): number[] =>
  pValues.length === 0 ? [] : padjust([...pValues], "holm");

/** What tells the families of tests apart: those over all tasks, without `task`, are one of their own. */
interface Tested {
  readonly test: string;
  readonly metric: string;
  readonly task?: string;
  readonly p: number;
}

/** What stands for an entry's family: one test, one metric and one task. */
export const familyOf = ({ test, metric, task }: Omit<Tested, "p">): string => JSON.stringify([test, metric, task]);

/** The same entries in the same order, each with `pHolm`, its p-value corrected within its family. */
export function withHolm<Entry extends Tested>(entries: readonly Entry[]): (Entry & { readonly pHolm: number })[] {
  const families = group(entries, familyOf);
  const corrected = new Map<Entry, number>();
  for (const family of families.values()) {
    const pHolm = holm(family.map(({ p }) => p));
    for (const [place, entry] of family.entries()) corrected.set(entry, pHolm[place]!);
  }
  return entries.map((entry) => ({ ...entry, pHolm: corrected.get(entry)! }));
}

const LEVEL = 0.05;

/** What limits how small a p-value can be. */
interface Limit {
  /** The smallest p-value that there can be, whatever comes out. */
  readonly least: number;
  readonly of: keyof typeof WORDS;
  readonly count: number;
}

const WORDS = {
  wilcoxon: ["pair of runs that differs", "pairs of runs that differ", "an exact test"],
  "wilcoxon-tasks": ["task whose means differ", "tasks whose means differ", "an exact test"],
  bootstrap: ["row that is judged differently", "rows that are judged differently", "an exact test"],
  resamples: ["resample", "resamples", "a bootstrap"],
} as const;

/** The smallest p-value of n pairs that differ: all signs one way, one of the 2^n equally likely ones on either side. */
const leastOfSigns = (pairs: number): number => Math.min(1, 2 / 2 ** pairs);

/** How many pairs must differ so that an exact test can give p < 0.05. @param family how many tests Holm's correction is over */
export const pairsNeeded = (family = 1): number => Math.floor(Math.log2((2 * family) / LEVEL)) + 1;

/** How many resamples it takes so that p < 0.05 is possible. */
const resamplesNeeded = (family: number): number => Math.ceil(family / LEVEL);

/**
 * The sentences to say where no outcome whatever could be significant (p < 0.05 once corrected), none where every test can be.
 * Of so many pairs that differ an exact test gives no smaller p than that of all signs one way; a bootstrap, which has no such floor
 * of its own, would claim more than its rows can tell, and can't go below what its resamples count.
 * @param family tests that Holm's correction is over: it multiplies their smallest p-value by their number
 */
export function tooFewToTell(family: readonly SignificanceTest[]): string[] {
  const limits = family.map(limitOf);
  // Corrected p-values never fall where others rise: what is best for all is best for each.
  const corrected = holm(limits.map(({ least }) => least));
  const few = limits.flatMap((limit, i) => (corrected[i]! < LEVEL ? [] : [{ ...limit, least: corrected[i]! }]));
  return [...group(few, ({ of }) => of).values()].map((alike) => sentence(alike, family.length));
}

function limitOf(test: SignificanceTest): Limit {
  const signs = leastOfSigns(test.differing);
  const counted = test.test === "bootstrap" ? 1 / (1 + test.resamples) : 0;
  return test.test === "bootstrap" && counted > signs
    ? { least: counted, of: "resamples", count: test.resamples }
    : { least: signs, of: test.test, count: test.differing };
}

/** @param alike tests of a family that are limited by the same thing */
function sentence(alike: readonly Limit[], family: number): string {
  const counts = alike.map(({ count }) => count);
  const [most, isOne, of] = [Math.max(...counts), new Set(counts).size === 1, alike[0]!.of];
  const [single, several, test] = WORDS[of];
  const have = `${isOne ? "" : "At most "}${formatCount(most)} ${most === 1 ? `${single} is` : `${several} are`}`;
  const limit = Number(Math.min(...alike.map(({ least }) => least)).toPrecision(3));
  const corrected = family > 1 ? `, corrected for ${family} tests` : "";
  const needed = of === "resamples" ? resamplesNeeded(family) : pairsNeeded(family);
  return `${have} too few to tell: whatever comes out, the smallest p that ${test} can give is ${limit}${corrected}; with ${formatCount(needed)}, p < ${LEVEL} is possible.`;
}

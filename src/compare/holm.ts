import padjust from "@stdlib/stats-padjust";
import { group } from "d3-array";

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

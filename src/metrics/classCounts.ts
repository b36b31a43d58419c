import { atLeastOne } from "./checks.js";
import { type Metric, MORE_IS_BETTER } from "./metric.js";
import { type Counts, emptyCounts } from "./scores.js";

/** Classes of one row. */
export type ClassPair = readonly [reference: number, prediction: number];

/**
 * How often each class is the reference, is predicted, and is both: by class id, in the order in which the classes come up; those
 * that neither side has are not there.
 */
export type ClassCounts = ReadonlyMap<number, Counts>;

/** A metric of how often classes are the reference, are predicted, and are both; more of it is better. */
export function overClassCounts(
  name: string,
  of: (counts: ClassCounts, rows: number) => number,
): Metric<number, number, ClassPair> {
  return {
    values: { [name]: MORE_IS_BETTER },
    measure: (reference, prediction) => [reference, prediction],
    result: (rows) => ({ [name]: of(countClasses(rows), atLeastOne(rows.length)) }),
  };
}

function countClasses(rows: readonly ClassPair[]): ClassCounts {
  const byClass = new Map<number, Counts>();
  const countsOf = (id: number): Counts => {
    const counts = byClass.get(id) ?? emptyCounts();
    byClass.set(id, counts);
    return counts;
  };
  for (const [reference, prediction] of rows) {
    countsOf(reference).actual++;
    countsOf(prediction).predicted++;
    if (reference === prediction) countsOf(reference).truePositives++;
  }
  return byClass;
}

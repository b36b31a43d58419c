import { atLeastOne } from "./checks.js";
import { type Metric, MORE_IS_BETTER, type Sums } from "./metric.js";
import { addOne, COUNTS, type Counts, countsIn } from "./scores.js";
import { overSums } from "./sums.js";

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
  return overSums(
    { [name]: MORE_IS_BETTER },
    (reference, prediction) => [reference, prediction],
    (corpus) => classSums(corpus, (counts, rows) => ({ [name]: of(counts, rows) })),
  );
}

/** Three sums a class, for all classes that the rows have. */
function classSums(
  corpus: readonly ClassPair[],
  resultOf: (counts: ClassCounts, rows: number) => Readonly<Record<string, number>>,
): Sums<ClassPair> {
  const from = new Map([...new Set(corpus.flat())].map((id, place) => [id, COUNTS * place]));
  return {
    width: COUNTS * from.size,
    add([reference, prediction], sums) {
      const predicted = reference === prediction;
      addOne({ actual: true, predicted }, sums, from.get(reference)!);
      if (!predicted) addOne({ actual: false, predicted: true }, sums, from.get(prediction)!);
    },
    result: (sums, rows) => resultOf(countsByClass(from, sums), atLeastOne(rows)),
  };
}

/** The counts of those classes that came up. */
const countsByClass = (from: ReadonlyMap<number, number>, sums: Float64Array): ClassCounts =>
  new Map(
    [...from]
      .map(([id, place]): [number, Counts] => [id, countsIn(sums, place)])
      .filter(([, { predicted, actual }]) => predicted + actual > 0),
  );

// What the tests of a comparison find about each pair of methods.
import {
  type ComparedTask,
  type Comparison,
  isWilcoxon,
  type MethodPair,
  type SignificanceTest,
  type TwoLevelTest,
  type WilcoxonTest,
} from "../../base/records/index.js";
import { isSignificant, pairsNeeded } from "./holm.js";
import { testedPairs } from "./pairedScores.js";
import { studentQuantile } from "./studentInterval.js";

/** How much better the first of two methods is, with the 95 % interval. */
interface Difference {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** What is found of two methods. */
export interface Finding {
  /** The methods, the one with the better mean first. */
  readonly pair: MethodPair;
  /** Missing for a test over tasks. */
  readonly task?: string | undefined;
  /** Missing for a single seed. */
  readonly difference?: Difference | undefined;
  /** The number of pairs of runs, or of tasks. */
  readonly seeds: number;
  /** Whether the difference is found: the corrected p is small enough, and 0 is outside of the interval. */
  readonly isFound: boolean;
  /** In how many rows or pairs of runs the methods differ, if these are too few to find anything. */
  readonly tooFew?: { readonly count: number; readonly of: "row" | "seed" } | undefined;
  /** Within which margin the methods are equivalent, if that is shown. */
  readonly margin?: number | undefined;
}

/**
 * A finding for each tested pair of methods on each task, by its main metric: of the bootstrap over seeds and rows and, for metrics that it
 * can't resample, of Wilcoxon's test. Before these stand the differences that the test over tasks finds.
 */
export function findingsOf(
  { tasks, methods, pairs }: Comparison,
  tests: readonly SignificanceTest[],
): readonly Finding[] {
  const overTasks = tests.flatMap((test) => (test.test === "wilcoxon-tasks" ? ofRanks(test) : []));
  return [
    ...overTasks.filter(({ isFound }) => isFound),
    ...tasks.flatMap((task) => testedPairs(methods, pairs).flatMap((pair) => findingOn(task, pair, tests) ?? [])),
  ];
}

function findingOn(
  { name, metrics: [main] }: ComparedTask,
  [a, b]: MethodPair,
  tests: readonly SignificanceTest[],
): Finding | undefined {
  const own = tests.filter((test) => test.task === name && test.metric === main.name && test.a === a && test.b === b);
  const ofRows = own.find((test) => test.test === "two-level");
  const ranks = own.find(isWilcoxon);
  if (!ofRows) return ranks && ofRanks(ranks);
  const { difference: mean, low, high, seeds } = ofRows;
  const alike = own.find((test) => test.test === "equivalence");
  const margin = alike?.test === "equivalence" && alike.equivalent ? alike.margin : undefined;
  return { ...findingBy(ofRows, "row", { mean, low, high }), seeds, margin };
}

function ofRanks(test: WilcoxonTest): Finding {
  const { meanDifference: mean, standardError } = test.effect;
  const seeds = test.pairs;
  if (standardError === null) return { pair: [test.a, test.b], task: test.task, seeds, isFound: false };
  const half = studentQuantile(seeds - 1, 0.95) * standardError;
  return { ...findingBy(test, "seed", { mean, low: mean - half, high: mean + half }), seeds };
}

function findingBy(
  { a, b, task, differing, pHolm }: WilcoxonTest | TwoLevelTest,
  of: "row" | "seed",
  { mean, low, high }: Difference,
): Omit<Finding, "seeds"> {
  const tooFew = differing < pairsNeeded() ? { count: differing, of } : undefined;
  const isFound = !tooFew && isSignificant(pHolm) && (low > 0 || high < 0);
  const facts = { task, tooFew, isFound };
  return mean < 0
    ? { ...facts, pair: [b, a], difference: { mean: -mean, low: -high, high: -low } }
    : { ...facts, pair: [a, b], difference: { mean, low, high } };
}

/** The differences that Wilcoxon's test finds, and the finding of the same methods does not. */
export function otherFindings(findings: readonly Finding[], tests: readonly SignificanceTest[]): WilcoxonTest[] {
  const isFound = ({ a, b, task }: SignificanceTest) =>
    findings.some((one) => one.isFound && one.task === task && one.pair.includes(a) && one.pair.includes(b));
  return tests.filter(isWilcoxon).filter((test) => isSignificant(test.pHolm) && !isFound(test));
}

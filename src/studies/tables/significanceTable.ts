// The table of significance tests, with notes on what they can and cannot say.
import { formatNumber, words } from "../../base/index.js";
import { type EquivalenceTest, isWilcoxon, type SignificanceTest } from "../../base/records/index.js";
import { pairsNeeded, withTooFewPairs } from "../statistics/holm.js";
import { MAIN } from "../statistics/significance.js";
import { NOTHING, plainColumns, type ResultTable } from "./renderTable.js";

const TEST_NAMES: Readonly<Record<SignificanceTest["test"], string>> = {
  wilcoxon: "Wilcoxon",
  "wilcoxon-tasks": "Wilcoxon",
  bootstrap: "Paired bootstrap",
  "two-level": "Bootstrap over seeds and rows",
  equivalence: "Equivalence",
};

/**
 * One row per test, in the given order, with notes on the tests' populations and on tests that can't be significant. A test over rows alone
 * is shown where there is none over seeds and rows.
 */
export function significanceTable(all: readonly SignificanceTest[]): ResultTable {
  const tests = all.filter((test) => test.test !== "bootstrap" || !isTestedOverSeeds(test, all));
  const column = plainColumns(tests);
  const few = withTooFewPairs(tests.filter(hasP));
  const withP = (textOf: (test: TestWithP) => string) => (test: SignificanceTest) =>
    hasP(test) ? textOf(test) : NOTHING;
  return {
    heading: "Methods",
    names: tests.map(({ a, b }) => `${a} – ${b}`),
    columns: [
      column("Task", taskText, "left"),
      column("Metric", metricText, "left"),
      column("Test", ({ test }) => TEST_NAMES[test], "left"),
      column("Population", ({ population }) => population, "left"),
      column("Pairs", pairsText),
      column("Difference", differenceText),
      column("p", withP(pText)),
      column(
        "p (Holm)",
        withP((test) => `${formatNumber(test.pHolm)}${few.has(test) ? " (too few)" : ""}`),
      ),
      ...(tests.some(isEquivalence) ? [column("Equivalent", equivalenceText, "left")] : []),
    ].flat(),
    notes: notesOf(tests, few.size > 0),
  };
}

const isTestedOverSeeds = (one: SignificanceTest, all: readonly SignificanceTest[]): boolean =>
  all.some((test) => {
    const isOfPair = test.a === one.a && test.b === one.b && test.task === one.task;
    return test.test === "two-level" && isOfPair && test.metric === one.metric;
  });

type TestWithP = Exclude<SignificanceTest, EquivalenceTest>;

const isEquivalence = (test: SignificanceTest): test is EquivalenceTest => test.test === "equivalence";
const hasP = (test: SignificanceTest): test is TestWithP => !isEquivalence(test);

const equivalenceText = (test: SignificanceTest): string =>
  isEquivalence(test) ? `${test.equivalent ? "yes" : "not shown"}, within ±${test.margin}` : NOTHING;

function metricText(test: SignificanceTest): string {
  const kind = isWilcoxon(test) && test.kind !== undefined ? ` of ${test.kind}` : "";
  return test.metric === MAIN ? "each task's main" : `${words(test.metric)}${kind}`;
}

const taskText = (test: SignificanceTest): string =>
  test.task ?? ((isWilcoxon(test) && test.tasks?.join(", ")) || "all");

function pairsText(test: SignificanceTest): string {
  const { pairs, differing, unmatched } = test;
  // A bootstrap's pairs are rows, and all of them are used: only runs can be left out.
  const runs = isWilcoxon(test) ? "" : unmatched === 1 ? "run " : "runs ";
  const facts = [
    ...("seeds" in test ? [`${test.seeds} seeds`] : []),
    ...(differing < pairs ? [`${pairs - differing} equal`] : []),
    ...(test.repeated !== undefined ? [`${test.repeated} ${runs}repeated`] : []),
    ...(unmatched > 0 ? [`${unmatched} ${runs}left out`] : []),
  ];
  return facts.length === 0 ? `${pairs}` : `${pairs} (${facts.join(", ")})`;
}

/** How much better the first method is: the mean over pairs, or the bootstrap's difference with its interval. */
function differenceText(test: SignificanceTest): string {
  if (isWilcoxon(test)) return formatNumber(test.effect.meanDifference);
  const difference = test.test === "bootstrap" ? test.statistic : test.difference;
  return `${formatNumber(difference)} [${formatNumber(test.low)}, ${formatNumber(test.high)}]`;
}

const pText = (test: TestWithP): string =>
  isWilcoxon(test) ? formatNumber(test.p) : `${formatNumber(test.p)} ± ${formatNumber(test.pStandardError)}`;

function notesOf(tests: readonly SignificanceTest[], areSomeTooFew: boolean): string[] {
  if (tests.length === 0) return [];
  const joined = tests.flatMap((test) => (isWilcoxon(test) ? (test.joined ?? []) : []));
  return [
    [...new Set(tests.map(({ population }) => LIMITS[population]))].join(" "),
    ...new Set(
      joined.map(({ tasks, share }) => `${tasks.join(", ")} share ${share.join(", ")}, so they count as one.`),
    ),
    DIFFERENCE,
    ...(tests.some(isEquivalence) ? [EQUIVALENT] : []),
    ...(tests.some(({ repeated }) => repeated !== undefined) ? [REPEATED] : []),
    ...(areSomeTooFew ? [TOO_FEW] : []),
  ];
}

/** What a test says nothing about. */
const LIMITS: Readonly<Record<SignificanceTest["population"], string>> = {
  "seeds of this task": "Tests over the seeds of a task say nothing about other tasks.",
  "seeds of these tasks":
    "Tests over the seeds of these tasks say nothing about other tasks. They take tasks without common rows as independent, although one seed draws for all of them, such as the adapter's initial values.",
  tasks: "Tests over tasks compare each task's mean over seeds; they generalize to other tasks of this kind.",
  "rows of this task": "Tests over the rows of a task say nothing about other seeds.",
  "seeds and rows of this task":
    "Tests over the seeds and rows of a task generalize to other seeds and to other rows of this kind, not to other tasks; their p (Holm) is corrected over all of them in this comparison.",
};

const DIFFERENCE =
  "Differences are positive where the first method is better, also for metrics that are better when lower; in brackets the bootstrap's 95 % interval, and beside its p the Monte Carlo standard error.";
const EQUIVALENT =
  "Two methods are equivalent on a task if the 90 % interval of their difference, in brackets there, lies within the margin, which is in the unit of the main metric.";
const REPEATED = "Repeated: runs that are equal to those of another seed or task count once.";
const TOO_FEW = `Too few: so few pairs or rows differ that no outcome is significant after the correction; a single test needs ${pairsNeeded()}. A large p is no sign of equality there, and a bootstrap's p tends to be too small.`;

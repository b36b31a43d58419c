// The table of significance tests, with notes on what they can and cannot say.
import { group } from "d3-array";
import { formatCount, formatNumber, words } from "../../base/index.js";
import {
  type EquivalenceTest,
  isWilcoxon,
  type SignificanceTest,
  type WilcoxonTest,
} from "../../base/records/index.js";
import { familyOf, underpoweredNotes } from "../statistics/holm.js";
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
  const ofRanks = (textOf: (test: WilcoxonTest) => string) => (test: SignificanceTest) =>
    isWilcoxon(test) ? textOf(test) : NOTHING;
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
      column(
        "Statistic",
        ofRanks(({ statistic }) => formatNumber(statistic)),
      ),
      column("p", withP(pText)),
      column(
        "p (Holm)",
        withP(({ pHolm }) => formatNumber(pHolm)),
      ),
      column(
        "Rank-biserial",
        ofRanks(({ effect }) => formatNumber(effect.rankBiserial)),
      ),
      ...(tests.some(isEquivalence) ? [column("Equivalent", equivalenceText, "left")] : []),
    ].flat(),
    notes: notesOf(tests),
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

const metricText = ({ metric }: SignificanceTest): string => (metric === MAIN ? "each task's main" : words(metric));

function taskText(test: SignificanceTest): string {
  const some = isWilcoxon(test) ? test.tasks : undefined;
  return test.task ?? (some ? `${some.length} tasks` : "all");
}

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

function notesOf(tests: readonly SignificanceTest[]): string[] {
  if (tests.length === 0) return [];
  const families = [...group(tests.filter(hasP), familyOf).values()];
  const hasRanks = tests.some(isWilcoxon);
  return [
    [...new Set(tests.map(({ population }) => LIMITS[population]))].join(" "),
    ...new Set(tests.flatMap(someTasksNote)),
    ...new Set(tests.flatMap(joinedNotes)),
    ...repeatedSeedsNote(tests),
    `${DIFFERENCE}${tests.every(isWilcoxon) ? "" : INTERVAL}.`,
    ...equivalenceNotes(tests),
    ...(hasRanks ? [RANKS] : []),
    ...resamplesNote(tests),
    ...familyNotes(families),
  ];
}

/** Notes on underpowered tests, with the families that a note is about. */
function familyNotes(families: readonly (readonly SignificanceTest[])[]): string[] {
  const notes = families.flatMap((family) =>
    underpoweredNotes(family).map((sentence) => ({ sentence, name: nameOf(family) })),
  );
  return [...group(notes, ({ sentence }) => sentence)].map(
    ([sentence, alike]) => `${alike.map(({ name }) => name).join("; ")}. ${sentence}`,
  );
}

function nameOf([test]: readonly SignificanceTest[]): string {
  const { population } = test!;
  if (test!.test === "two-level") return TEST_NAMES[test!.test];
  const kind = isWilcoxon(test!) ? kindOf(test!) : "";
  return `${TEST_NAMES[test!.test]}, ${taskText(test!)}, ${metricText(test!)}${kind}${population === "tasks" ? ", over tasks" : ""}`;
}

function someTasksNote(test: SignificanceTest): string[] {
  if (!isWilcoxon(test) || !test.tasks) return [];
  const some = test.tasks;
  const names = some.join(", ");
  const [metric, others] =
    test.metric === MAIN
      ? ["Each task's main metric", "Tasks whose main metric is better when lower, or that have no result,"]
      : [`${words(test.metric)}${kindOf(test)}`, "Tasks without this metric on their reported rows"];
  return [`${metric} is tested over ${some.length} tasks: ${names}. ${others} are left out.`];
}

const kindOf = ({ kind }: WilcoxonTest): string => (kind === undefined ? "" : ` of ${kind}`);

/** Which tasks count as one, and why. */
function joinedNotes(test: SignificanceTest): string[] {
  const joined = isWilcoxon(test) ? (test.joined ?? []) : [];
  return joined.flatMap(({ tasks, share, repeated = [] }) => {
    const unit = test.test === "wilcoxon" ? "their pairs with one seed count as one pair" : "they count as one task";
    const equal = `The runs of ${test.a} and ${test.b} on ${listed(repeated)} repeat those on another of these tasks, and count once.`;
    return [
      `${listed(tasks)} share ${listed(share)}, so ${unit}, by the mean of their differences.`,
      ...(repeated.length > 0 ? [equal] : []),
    ];
  });
}

/** Which pairs of methods have runs that are equal with several seeds. */
function repeatedSeedsNote(tests: readonly SignificanceTest[]): string[] {
  const repeating = tests.filter(({ repeated }) => repeated !== undefined);
  if (repeating.length === 0) return [];
  const named = [...new Set(repeating.map((test) => `${test.a} – ${test.b} (${taskText(test)})`))];
  return [`The seed changes nothing in some runs of ${listed(named)}: equal ones count as one pair.`];
}

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

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
  "Differences are positive where the first method is better, also for metrics that are better when lower";
const INTERVAL = "; in brackets the bootstrap's 95 % interval";

/** What the margin is, and of which metrics: a margin of one can mean nothing for another. */
function equivalenceNotes(tests: readonly SignificanceTest[]): string[] {
  const [first, ...others] = tests.filter(isEquivalence);
  if (!first) return [];
  const units = [...group([first, ...others], ({ metric }) => metric)].map(
    ([metric, those]) => `${words(metric)} on ${listed([...new Set(those.map(({ task }) => task))])}`,
  );
  return [
    `Two methods are equivalent on a task if the 90 % interval of their difference, which is in brackets there, lies within ±${first.margin}, in the unit of the main metric (${units.join("; ")}). Other metrics are not tested for equivalence.`,
  ];
}

const RANKS =
  "The rank-biserial correlation is 1 if the first method is better in every differing pair, −1 if the second is.";

function resamplesNote(tests: readonly SignificanceTest[]): string[] {
  const counts = new Set(tests.flatMap((test) => (isWilcoxon(test) ? [] : [test.resamples])));
  if (counts.size === 0) return [];
  const drawn = [...counts].sort((a, b) => a - b).map(formatCount);
  return [`Bootstrap p-values are from ${drawn.join(" or ")} resamples; ± is their Monte Carlo standard error.`];
}

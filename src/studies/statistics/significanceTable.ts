// The table of significance tests, with notes on what they can and cannot say.
import { group } from "d3-array";
import { formatCount, formatNumber, words } from "../../base/index.js";
import type { SignificanceTest, WilcoxonTest } from "../../base/records/index.js";
import { familyOf, underpoweredNotes } from "./holm.js";
import { NOTHING, plainColumns, type ResultTable } from "./renderTable.js";
import { MAIN } from "./significance.js";

const TEST_NAMES: Readonly<Record<SignificanceTest["test"], string>> = {
  wilcoxon: "Wilcoxon",
  "wilcoxon-tasks": "Wilcoxon",
  bootstrap: "Paired bootstrap",
};

/** One row per test, in the given order, with notes on the tests' populations and on tests that can't be significant. */
export function significanceTable(tests: readonly SignificanceTest[]): ResultTable {
  const column = plainColumns(tests);
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
      column("Statistic", (test) => (test.test === "bootstrap" ? NOTHING : formatNumber(test.statistic))),
      column("p", pText),
      column("p (Holm)", ({ pHolm }) => formatNumber(pHolm)),
      column("Rank-biserial", (test) => (test.test === "bootstrap" ? NOTHING : formatNumber(test.effect.rankBiserial))),
    ],
    notes: notesOf(tests),
  };
}

const metricText = ({ metric }: SignificanceTest): string => (metric === MAIN ? "each task's main" : words(metric));

function taskText(test: SignificanceTest): string {
  const some = test.test === "bootstrap" ? undefined : test.tasks;
  return test.task ?? (some ? `${some.length} tasks` : "all");
}

function pairsText(test: SignificanceTest): string {
  const { pairs, differing, unmatched } = test;
  // A bootstrap's pairs are rows, and all of them are used: only runs can be left out.
  const runs = test.test !== "bootstrap" ? "" : unmatched === 1 ? "run " : "runs ";
  const facts = [
    ...(differing < pairs ? [`${pairs - differing} equal`] : []),
    ...(test.test !== "bootstrap" && test.repeated !== undefined ? [`${test.repeated} repeated`] : []),
    ...(unmatched > 0 ? [`${unmatched} ${runs}left out`] : []),
  ];
  return facts.length === 0 ? `${pairs}` : `${pairs} (${facts.join(", ")})`;
}

/** How much better the first method is: the mean over pairs, or the bootstrap's difference with its interval. */
const differenceText = (test: SignificanceTest): string =>
  test.test === "bootstrap"
    ? `${formatNumber(test.statistic)} [${formatNumber(test.low)}, ${formatNumber(test.high)}]`
    : formatNumber(test.effect.meanDifference);

const pText = (test: SignificanceTest): string =>
  test.test === "bootstrap" ? `${formatNumber(test.p)} ± ${formatNumber(test.pStandardError)}` : formatNumber(test.p);

function notesOf(tests: readonly SignificanceTest[]): string[] {
  if (tests.length === 0) return [];
  const families = [...group(tests, familyOf).values()];
  const hasRanks = tests.some(({ test }) => test !== "bootstrap");
  return [
    [...new Set(tests.map(({ population }) => LIMITS[population]))].join(" "),
    ...new Set(tests.flatMap(someTasksNote)),
    ...new Set(tests.flatMap(joinedNotes)),
    ...repeatedSeedsNote(tests),
    `${DIFFERENCE}${tests.some(({ test }) => test === "bootstrap") ? INTERVAL : ""}.`,
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
  const kind = test!.test === "bootstrap" ? "" : kindOf(test!);
  return `${TEST_NAMES[test!.test]}, ${taskText(test!)}, ${metricText(test!)}${kind}${population === "tasks" ? ", over tasks" : ""}`;
}

function someTasksNote(test: SignificanceTest): string[] {
  if (test.test === "bootstrap" || !test.tasks) return [];
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
  const joined = test.test === "bootstrap" ? [] : (test.joined ?? []);
  return joined.flatMap(({ tasks, share, repeated = [] }) => {
    const unit = test.test === "wilcoxon" ? "their pairs with one seed count as one pair" : "they count as one task";
    const equal = `The runs of ${test.a} and ${test.b} on ${listed(repeated)} are the same as on another of these tasks, and count once.`;
    return [
      `${listed(tasks)} share ${listed(share)}, so ${unit}, by the mean of their differences.`,
      ...(repeated.length > 0 ? [equal] : []),
    ];
  });
}

/** Which pairs of methods have runs that are the same with several seeds. */
function repeatedSeedsNote(tests: readonly SignificanceTest[]): string[] {
  const repeating = tests.filter((test) => test.test !== "bootstrap" && test.repeated !== undefined);
  if (repeating.length === 0) return [];
  const named = repeating.map((test) => `${test.a} – ${test.b} (${taskText(test)})`);
  return [`The seed changes nothing in some runs of ${listed(named)}: equal ones count as one pair.`];
}

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

/** What a test says nothing about. */
const LIMITS: Readonly<Record<SignificanceTest["population"], string>> = {
  "seeds of this task": "Tests over the seeds of a task say nothing about other tasks.",
  "seeds of these tasks":
    "Tests over the seeds of these tasks say nothing about other tasks. They take tasks without common rows as independent, although one seed draws the same there, such as the adapter's initial values.",
  tasks: "Tests over tasks compare each task's mean over seeds; they generalize to other tasks of this kind.",
  "rows of this task": "Tests over the rows of a task say nothing about other seeds.",
};

const DIFFERENCE =
  "Differences are positive where the first method is better, also for metrics that are better when lower";
const INTERVAL = "; in brackets the bootstrap's 95 % interval";

const RANKS =
  "The rank-biserial correlation is 1 if the first method is better in every differing pair, −1 if the second is.";

function resamplesNote(tests: readonly SignificanceTest[]): string[] {
  const counts = new Set(tests.flatMap((test) => (test.test === "bootstrap" ? [test.resamples] : [])));
  if (counts.size === 0) return [];
  const drawn = [...counts].sort((a, b) => a - b).map(formatCount);
  return [`Bootstrap p-values are from ${drawn.join(" or ")} resamples; ± is their Monte Carlo standard error.`];
}

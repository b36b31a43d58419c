/** The table of significance tests, with notes on what they can and cannot say. */
import { group } from "d3-array";
import { formatCount, formatNumber, words } from "../common/format.js";
import type { SignificanceTest } from "../files/comparison.js";
import { familyOf, underpoweredNotes } from "./holm.js";
import { type Column, NOTHING, plain, type Table } from "./renderTable.js";
import { MAIN } from "./significance.js";

const TEST_NAMES: Readonly<Record<SignificanceTest["test"], string>> = {
  wilcoxon: "Wilcoxon",
  "wilcoxon-tasks": "Wilcoxon",
  bootstrap: "Paired bootstrap",
};

/** One row per test, in the given order, with notes on the tests' populations and on tests that can't be significant. */
export function significanceTable(tests: readonly SignificanceTest[]): Table {
  type Read = (test: SignificanceTest) => string;
  const column = (title: string, read: Read, align: Column["align"] = "right"): Column => ({
    group: "",
    title,
    align,
    cells: tests.map((test) => plain(read(test))),
  });
  return {
    heading: "Methods",
    names: tests.map(({ a, b }) => `${a} – ${b}`),
    columns: [
      column("Task", taskText, "left"),
      column("Metric", metricText, "left"),
      column("Test", ({ test }) => TEST_NAMES[test], "left"),
      column("Population", ({ population }) => population, "left"),
      column("Pairs", pairsText),
      column("Statistic", ({ statistic }) => formatNumber(statistic)),
      column("p", pText),
      column("p (Holm)", ({ pHolm }) => formatNumber(pHolm)),
      column("Rank-biserial", (test) => (test.test === "bootstrap" ? NOTHING : formatNumber(test.effect.rankBiserial))),
    ],
    notes: notesOf(tests),
  };
}

const metricText = ({ metric }: SignificanceTest): string => (metric === MAIN ? "each task's main" : words(metric));

function taskText(test: SignificanceTest): string {
  const some = tasksOf(test);
  return test.task ?? (some ? `${some.length} tasks` : "all");
}

/** The tasks of a test over some of the tasks. */
const tasksOf = (test: SignificanceTest): readonly string[] | undefined =>
  test.test === "bootstrap" ? undefined : test.tasks;

function pairsText(test: SignificanceTest): string {
  const { pairs, differing, unmatched } = test;
  // A bootstrap's pairs are rows, and all of them are used: only runs can be left out.
  const runs = test.test !== "bootstrap" ? "" : unmatched === 1 ? "run " : "runs ";
  const facts = [
    ...(differing < pairs ? [`${pairs - differing} equal`] : []),
    ...(unmatched > 0 ? [`${unmatched} ${runs}left out`] : []),
  ];
  return facts.length === 0 ? `${pairs}` : `${pairs} (${facts.join(", ")})`;
}

const pText = (test: SignificanceTest): string =>
  test.test === "bootstrap" ? `${formatNumber(test.p)} ± ${formatNumber(test.pStandardError)}` : formatNumber(test.p);

function notesOf(tests: readonly SignificanceTest[]): string[] {
  if (tests.length === 0) return [];
  const families = [...group(tests, familyOf).values()];
  const hasRanks = tests.some(({ test }) => test !== "bootstrap");
  return [
    [...new Set(tests.map(({ population }) => LIMITS[population]))].join(" "),
    ...new Set(tests.flatMap(someTasksNote)),
    ...(hasRanks ? [RANKS] : []),
    ...resamplesNote(tests),
    ...familyNotes(families),
  ];
}

/** Notes on underpowered families, which are named if there are several families. */
function familyNotes(families: readonly (readonly SignificanceTest[])[]): string[] {
  const notes = families.flatMap((family) =>
    underpoweredNotes(family).map((sentence) => ({ sentence, name: nameOf(family) })),
  );
  if (families.length === 1) return notes.map(({ sentence }) => sentence);
  return [...group(notes, ({ sentence }) => sentence)].map(
    ([sentence, alike]) => `${alike.map(({ name }) => name).join("; ")}. ${sentence}`,
  );
}

function nameOf([test]: readonly SignificanceTest[]): string {
  const { population } = test!;
  return `${TEST_NAMES[test!.test]}, ${taskText(test!)}, ${metricText(test!)}${population === "tasks" ? ", over tasks" : ""}`;
}

function someTasksNote(test: SignificanceTest): string[] {
  const some = tasksOf(test);
  if (!some) return [];
  const names = some.join(", ");
  return test.metric === MAIN
    ? [
        `Each task's main metric is tested over ${some.length} tasks: ${names}. Tasks whose main metric is better when lower, or that have no result, are left out.`,
      ]
    : [
        `${words(test.metric)} is tested over ${some.length} tasks: ${names}. Tasks without this metric on their reported rows are left out.`,
      ];
}

/** What a test says nothing about. */
const LIMITS: Readonly<Record<SignificanceTest["population"], string>> = {
  "seeds of this task": "Tests over the seeds of a task say nothing about other tasks.",
  "seeds of these tasks": "Tests over the seeds of these tasks say nothing about other tasks.",
  tasks: "Tests over tasks compare each task's mean over seeds; they generalize to other tasks of this kind.",
  "rows of this task": "Tests over the rows of a task say nothing about other seeds.",
};

const RANKS =
  "The rank-biserial correlation is 1 if the first method is better in every differing pair, −1 if the second is.";

function resamplesNote(tests: readonly SignificanceTest[]): string[] {
  const counts = new Set(tests.flatMap((test) => (test.test === "bootstrap" ? [test.resamples] : [])));
  if (counts.size === 0) return [];
  const drawn = [...counts].sort((a, b) => a - b).map(formatCount);
  return [`Bootstrap p-values are from ${drawn.join(" or ")} resamples; ± is their Monte Carlo standard error.`];
}

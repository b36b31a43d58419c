import { group } from "d3-array";
import { formatNumber, words } from "../common/format.js";
import { familyOf } from "./holm.js";
import { MAIN, type SignificanceTest } from "./significance.js";
import { type Column, NOTHING, plain, type Table } from "./table.js";
import { tooFewToTell } from "./tooFewToTell.js";

const TEST_NAMES: Readonly<Record<SignificanceTest["test"], string>> = {
  wilcoxon: "Wilcoxon",
  bootstrap: "Paired bootstrap",
};

/** A row a test, in the given order, with what must be said where runs are too few to tell methods apart. */
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
      column("Task", ({ task }) => task ?? "all", "left"),
      column("Metric", ({ metric }) => (metric === MAIN ? "each task's main" : words(metric)), "left"),
      column("Test", ({ test }) => TEST_NAMES[test], "left"),
      column("Pairs", pairsText),
      column("Statistic", ({ statistic }) => formatNumber(statistic)),
      column("p", ({ p }) => formatNumber(p)),
      column("p (Holm)", ({ pHolm }) => formatNumber(pHolm)),
      column("Rank-biserial", (test) => (test.test === "wilcoxon" ? formatNumber(test.effect.rankBiserial) : NOTHING)),
    ],
    notes: notesOf(tests),
  };
}

function pairsText(test: SignificanceTest): string {
  const unmatched = test.test === "wilcoxon" ? test.unmatched : 0;
  return unmatched === 0 ? `${test.pairs}` : `${test.pairs} (${unmatched} left out)`;
}

function notesOf(tests: readonly SignificanceTest[]): string[] {
  const families = [...group(tests, familyOf).values()];
  const few = families.flatMap((family) =>
    family.flatMap(({ test, pairs }) => (test === "wilcoxon" ? (tooFewToTell(pairs, family.length) ?? []) : [])),
  );
  const effect =
    "The rank-biserial correlation is 1 where the first is better in every pair that differs, −1 where the second is.";
  return tests.length === 0 ? [] : [effect, ...new Set(few)];
}

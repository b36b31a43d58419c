// The components of variance as a table.
import { formatNumber, words } from "../../base/index.js";
import { bareMetric, type Comparison, type VarianceEntry } from "../../base/records/index.js";
import { NOTHING, plainColumns, type ResultTable } from "./renderTable.js";

const COMPONENTS = [
  ["Data seed", "dataSeed"],
  ["Seed", "seed"],
  ["Residual", "residual"],
] as const;

const NOT_INDEPENDENT =
  "Runs with the same seed, or with the same data seed, are not independent: tests over seeds take them as such, so their p-values are too small, their intervals too narrow, and methods too easily equivalent.";

/** One table; none for a comparison without data seeds. */
export function varianceTable({ variance = [], runs, tasks }: Comparison): ResultTable[] {
  if (runs.every(({ dataSeed }) => dataSeed === undefined)) return [];
  const column = plainColumns(variance);
  const table = {
    heading: "Method",
    names: variance.map(({ method }) => method),
    columns: [
      ...(tasks.length > 1 ? [column("Task", ({ task }) => task, "left")] : []),
      column("Metric", ({ metric }) => words(bareMetric(metric)), "left"),
      column("Runs", ({ seeds, dataSeeds }) => `${dataSeeds} × ${seeds}`),
      ...COMPONENTS.map(([title, key]) => column(title, (entry) => componentText(entry, key))),
      column("Finite test set", ({ rows }) => (rows === null ? NOTHING : formatNumber(Math.sqrt(rows)))),
    ],
    notes: [NOT_INDEPENDENT, ...(variance.length > 0 ? NOTES : [])],
  };
  return [table];
}

function componentText(entry: VarianceEntry, key: (typeof COMPONENTS)[number][1]): string {
  const value = entry[key];
  const all = COMPONENTS.reduce((sum, [, each]) => sum + Math.max(0, entry[each]), 0);
  if (value < 0) return "0 (negative)";
  return `${formatNumber(Math.sqrt(value))} (${all > 0 ? Math.round((100 * value) / all) : 0} %)`;
}

const NOTES = [
  "Components of the variance of one run's score, as standard deviations: between data seeds (which rows, and their order), between seeds (initial values and dropout), and the residual, which has what depends on both; in parentheses the share of their sum. A negative estimate, shown as 0, is one that the residual exceeds by chance. They take a score for each of at least two seeds with each of at least two data seeds.",
  "Finite test set: the standard deviation of a score over other test rows, by a bootstrap over rows. All runs share these rows, so it is in none of the components.",
];

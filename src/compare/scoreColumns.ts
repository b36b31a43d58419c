import { own } from "../common/own.js";
import type { ComparedMetric, ComparedTask, Comparison, ScoredRows } from "./comparison.js";
import { round12 } from "./differences.js";
import { mean, sampleDeviation } from "./moments.js";
import { metricHeading, scoresHeading } from "./scoredRows.js";
import { type Cell, type Column, NOTHING, plain } from "./table.js";

interface Score {
  readonly mean: number;
  readonly deviation: number | null;
  readonly n: number;
}

/**
 * A column for each of a task's metrics: means ± sample deviations over seeds, their number said where it is not the usual one; then
 * what is shown beside them, in which no score is marked as the best.
 */
export function scoreColumns(comparison: Comparison, task: ComparedTask, usualSeeds: number): Column[] {
  const { name, metrics, rows, beside } = task;
  const columnsOf = (some: readonly ComparedMetric[], of: ScoredRows | undefined): Column[] =>
    some.map((metric) => {
      const scores = comparison.methods.map((method) => scoreOf(comparison, name, method, metric.name));
      const heading = metricHeading(metric, of);
      const title = metric.goal === "minimize" ? `${heading} ↓` : heading;
      return { group: scoresHeading(name, of), title, align: "right", cells: cellsOf(scores, metric.goal, usualSeeds) };
    });
  const shown = beside ? columnsOf(beside.metrics, beside.rows).map(unmarked) : [];
  return [...columnsOf(metrics, rows), ...shown];
}

const unmarked = (column: Column): Column => ({ ...column, cells: column.cells.map(({ text }) => plain(text)) });

/** How many runs each score of the table is over, those without any left out. */
export function seedCounts(comparison: Comparison): number[] {
  return comparison.tasks.flatMap(({ name, metrics }) =>
    comparison.methods.flatMap((method) =>
      metrics.flatMap((metric) => scoreOf(comparison, name, method, metric.name)?.n ?? []),
    ),
  );
}

/** Undefined where no run of the method has the metric. */
function scoreOf({ runs }: Comparison, task: string, method: string, metric: string): Score | undefined {
  const values = runs
    .filter((run) => run.task === task && run.method === method)
    .flatMap(({ metrics }) => own(metrics, metric) ?? []);
  return values.length === 0 ? undefined : { mean: mean(values), deviation: sampleDeviation(values), n: values.length };
}

function cellsOf(scores: readonly (Score | undefined)[], goal: ComparedMetric["goal"], usualSeeds: number): Cell[] {
  const means = scores.flatMap((score) => (score ? round12(score.mean) : []));
  const best = goal === "maximize" ? Math.max(...means) : Math.min(...means);
  const decimals = decimalsFor(means);
  return scores.map((score) => {
    if (!score) return plain(NOTHING);
    const spread = score.deviation === null ? "" : ` ± ${figure(score.deviation, decimals)}`;
    const seeds = score.n === usualSeeds ? "" : ` (n = ${score.n})`;
    // A method alone in its column is not the best of anything.
    return {
      text: `${figure(score.mean, decimals)}${spread}${seeds}`,
      best: means.length > 1 && round12(score.mean) === best,
    };
  });
}

/** Decimals for the largest of the values to show four significant digits, and four of them where it is below 10. */
function decimalsFor(values: readonly number[]): number {
  const largest = Math.max(...values.map(Math.abs));
  if (!(largest > 0)) return 4;
  const magnitude = Math.floor(Math.log10(largest));
  return magnitude === 0 ? 4 : Math.min(12, Math.max(0, 3 - magnitude));
}

/** A figure with the minus that text has, and none before zero. */
function figure(value: number, decimals: number): string {
  const text = value.toFixed(decimals);
  return text.startsWith("-") && Number(text) !== 0 ? text.replace("-", "−") : text.replace("-", "");
}

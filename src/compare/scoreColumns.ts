import { own } from "../common/collections.js";
import type { ComparedMetric, ComparedTask, Comparison, ScoredRows } from "../files/comparison.js";
import { round12 } from "./differences.js";
import { failedOf } from "./missingRuns.js";
import { mean, sampleDeviation } from "./moments.js";
import { metricHeading, scoresHeading } from "./scoredRows.js";
import { type Cell, type Column, NOTHING, plain } from "./table.js";

/** What a method's runs on a task scored; of none where it has no mean. */
interface Score {
  readonly mean?: number;
  readonly deviation: number | null;
  readonly n: number;
  /** How many runs failed. */
  readonly failed: number;
}

/**
 * A column for each of a task's metrics: means ± sample deviations over seeds, their number said where it is not the usual one or runs
 * failed; then what is shown beside them, in which no score is marked as the best.
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
      metrics.map((metric) => scoreOf(comparison, name, method, metric.name).n).filter((n) => n > 0),
    ),
  );
}

function scoreOf(comparison: Comparison, task: string, method: string, metric: string): Score {
  const values = comparison.runs
    .filter((run) => run.task === task && run.method === method)
    .flatMap(({ metrics }) => own(metrics, metric) ?? []);
  const [n, failed] = [values.length, failedOf(comparison, task, method).length];
  return n === 0
    ? { deviation: null, n, failed }
    : { mean: mean(values), deviation: sampleDeviation(values), n, failed };
}

function cellsOf(scores: readonly Score[], goal: ComparedMetric["goal"], usualSeeds: number): Cell[] {
  const means = meansOf(scores);
  // What is left of a method whose runs failed chose itself: its mean competes with none.
  const sound = meansOf(scores.filter(({ failed }) => failed === 0));
  const best = goal === "maximize" ? Math.max(...sound) : Math.min(...sound);
  const decimals = decimalsFor(means);
  return scores.map(({ mean, deviation, n, failed }) => {
    if (mean === undefined) return plain(failed > 0 ? `failed ${failed} of ${failed}` : NOTHING);
    const spread = deviation === null ? "" : ` ± ${figure(deviation, decimals)}`;
    // A method alone in its column is not the best of anything.
    const isBest = failed === 0 && sound.length > 1 && round12(mean) === best;
    return { text: `${figure(mean, decimals)}${spread}${seedsText(n, failed, usualSeeds)}`, best: isBest };
  });
}

const meansOf = (scores: readonly Score[]): number[] =>
  scores.flatMap(({ mean }) => (mean === undefined ? [] : round12(mean)));

function seedsText(n: number, failed: number, usualSeeds: number): string {
  if (failed > 0) return ` (n = ${n} of ${n + failed}, ${failed} failed)`;
  return n === usualSeeds ? "" : ` (n = ${n})`;
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

// Checks of runs, and headings that say which rows a score is of.
import { BidoraError, formatCount, words } from "../../base/index.js";
import {
  bareMetric,
  type ComparedMetric,
  type ComparedRun,
  type ComparedTask,
  metricRows,
  type ScoredRows,
  seedsText,
} from "../../base/records/index.js";

/** @throws BidoraError `COMPARISON` for two runs of one task, method and seeds, and for a metric that is not a finite number */
export function checkRuns(runs: readonly ComparedRun[]): void {
  const seen = new Set<string>();
  for (const { task, method, metrics, ...run } of runs) {
    const seeds = seedsText(run);
    const key = JSON.stringify([task, method, seeds]);
    if (seen.has(key)) {
      throw new BidoraError(
        "COMPARISON",
        `Expected one run of "${method}" with ${seeds} on "${task}", got two; rename a task, or remove one of the runs.`,
      );
    }
    seen.add(key);
    for (const [name, value] of Object.entries(metrics)) {
      if (Number.isFinite(value)) continue;
      throw new BidoraError(
        "COMPARISON",
        `Expected a finite number as "${name}" of "${method}" with ${seeds} on "${task}", got ${value}; leave that run out, and report it.`,
      );
    }
  }
}

/** Whether a metric was measured on these rows; true if the rows are unknown. */
export const isOfRows = (metric: string, rows: ScoredRows | undefined): boolean =>
  rows === undefined || (metricRows(metric) === "test") === (rows.split === "test");

/** The rows in words: `test, 4,693 rows`. */
const rowsText = ({ split, count }: ScoredRows): string =>
  count === undefined ? `${split} rows` : `${split}, ${formatCount(count)} ${count === 1 ? "row" : "rows"}`;

/** The heading of a task's scores: its name, and the rows that the scores are of. */
export const scoresHeading = (task: string, rows: ScoredRows | undefined): string =>
  rows === undefined ? task : `${task} (${rowsText(rows)})`;

/** A metric's name for a column whose heading names the rows: without the rows' prefix. */
export const metricHeading = ({ name }: ComparedMetric, rows: ScoredRows | undefined): string =>
  words(rows?.split === "test" && metricRows(name) === "test" ? bareMetric(name) : name);

/** A task's main metric and its rows: `F1 (test, 4,693 rows)`. */
export const mainHeading = ({ metrics: [main], rows }: ComparedTask): string =>
  scoresHeading(metricHeading(main, rows), rows);

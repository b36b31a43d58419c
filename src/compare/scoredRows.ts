import { formatCount, words } from "../common/format.js";
import type { ComparedMetric, ComparedTask, ScoredRows } from "../files/comparison.js";
import { bareMetric, metricRows } from "../files/metrics.js";

/** Whether a metric is of these rows. Where nothing is known of the rows, it is. */
export const isOfRows = (metric: string, rows: ScoredRows | undefined): boolean =>
  rows === undefined || (metricRows(metric) === "test") === (rows.split === "test");

/** The rows in words: `test, 4,693 rows`. */
const rowsText = ({ split, count }: ScoredRows): string =>
  count === undefined ? `${split} rows` : `${split}, ${formatCount(count)} ${count === 1 ? "row" : "rows"}`;

/** What stands over the scores of a task: its name, with the rows that the scores are of. */
export const scoresHeading = (task: string, rows: ScoredRows | undefined): string =>
  rows === undefined ? task : `${task} (${rowsText(rows)})`;

/** A metric's name in a column whose heading names the rows. */
export const metricHeading = ({ name }: ComparedMetric, rows: ScoredRows | undefined): string =>
  words(rows?.split === "test" && metricRows(name) === "test" ? bareMetric(name) : name);

/** A task's main metric with the rows that it is of: `F1 (test, 4,693 rows)`. */
export const mainHeading = ({ metrics: [main], rows }: ComparedTask): string =>
  scoresHeading(metricHeading(main, rows), rows);

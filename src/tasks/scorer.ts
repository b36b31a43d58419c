import { own } from "../common/collections.js";
import { BidoraError } from "../common/errors.js";
import {
  accuracy,
  f1,
  type Goal,
  type Metric,
  macroF1,
  matthewsCorrelation,
  meanSquaredError,
  pearson,
  precision,
  readingFrom,
  recall,
  spearman,
  textScores,
  together,
} from "../metrics/index.js";

/** How a task's predictions are scored. */
export interface Scorer<Reference, Prediction> {
  /** The value by which checkpoints and methods are compared; may be `loss`, which evaluation adds. */
  readonly main: string;
  /** All metrics. @throws BidoraError `METRIC_ROWS`, `METRIC_NOT_FINITE` */
  readonly metric: Metric<Reference, Prediction>;
}

/** What the metrics depend on beside the task. */
export interface ScorerOptions {
  /** The label names in the order of the outputs. */
  readonly labels: readonly string[];
  /** The metrics of a named data set, the main one first; they replace the task's. */
  readonly metrics?: readonly [MetricName, ...MetricName[]] | undefined;
  /** The id of the positive label of two, for F1; by default the later one by value or name. */
  readonly positive?: number | undefined;
}

/**
 * Whether higher or lower values are better, as the metric declares; for the loss, which evaluation adds, lower.
 * @throws BidoraError `METRIC_GOAL` for a value that no metric declares
 */
export function goalOf(name: string, ...metrics: readonly Pick<Metric<never, never>, "values">[]): Goal {
  const values = metrics.map((metric) => own(metric.values, name)).find((value) => value !== undefined);
  if (values !== undefined) return values.goal;
  if (name === "loss") return "minimize";
  throw new BidoraError(
    "METRIC_GOAL",
    `No metric of the task says whether a higher "${name}" is better: declare it in the metric's values, as { ${name}: { goal: "minimize" } }.`,
  );
}

/** @throws BidoraError `METRIC_GOAL` for a result with a value that the metric does not declare */
export function checkValues(result: object, metric: Pick<Metric<never, never>, "values">): void {
  for (const name of Object.keys(result)) goalOf(name, metric);
}

/** Metrics of one number a row: what data sets are reported by, and tasks without one. Precision, recall and F1 are about one class. */
const METRICS = {
  accuracy,
  f1,
  "macro-f1": macroF1,
  "matthews-correlation": matthewsCorrelation,
  "mean-squared-error": meanSquaredError,
  pearson,
  precision,
  recall,
  spearman,
} as const satisfies Readonly<Record<string, (positive: number) => Metric<number>>>;

/** The name of a metric of one number a row. */
export type MetricName = keyof typeof METRICS;

/** Several metrics in one. The first is the one that methods are compared by. */
export function namedMetrics(
  names: readonly [MetricName, ...MetricName[]],
  positive = 1,
): { readonly main: string; readonly metric: Metric<number> } {
  const metrics: Metric<number>[] = names.map((name) => METRICS[name](positive));
  const metric = together(...metrics);
  return { main: Object.keys(metric.values)[0]!, metric };
}

/** What is known of the values of all of them, whichever a run was judged by. */
export const NAMED_VALUES: Pick<Metric<number>, "values"> = together(
  ...Object.values(METRICS).map((make): Metric<number> => make(1)),
);

/** A generated text. */
export interface WrittenText {
  readonly text: string;
}

/** Scores generated texts, trimmed, against all references of their prompt. */
export const textScorer: Scorer<readonly string[], WrittenText> = {
  main: "bleu",
  metric: readingFrom(textScores(), ({ text }) => text.trim()),
};

import {
  accuracy,
  f1,
  type Metric,
  macroF1,
  matthewsCorrelation,
  meanSquaredError,
  pearson,
  precision,
  recall,
  spearman,
  together,
} from "../metrics/index.js";

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

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

interface NumberMetric {
  /** Its key in a result. */
  readonly key: string;
  readonly goal: "maximize" | "minimize";
  /** @param positive the class that precision, recall and F1 are about */
  make(positive: number): Metric<number>;
}

/** Metrics of one number a row: what data sets are reported by, and tasks without one. */
const METRICS = {
  accuracy: { key: "accuracy", goal: "maximize", make: accuracy },
  f1: { key: "f1", goal: "maximize", make: f1 },
  "macro-f1": { key: "macroF1", goal: "maximize", make: macroF1 },
  "matthews-correlation": { key: "matthewsCorrelation", goal: "maximize", make: matthewsCorrelation },
  "mean-squared-error": { key: "meanSquaredError", goal: "minimize", make: meanSquaredError },
  pearson: { key: "pearson", goal: "maximize", make: pearson },
  precision: { key: "precision", goal: "maximize", make: precision },
  recall: { key: "recall", goal: "maximize", make: recall },
  spearman: { key: "spearman", goal: "maximize", make: spearman },
} as const satisfies Readonly<Record<string, NumberMetric>>;

/** The name of a metric of one number a row. */
export type MetricName = keyof typeof METRICS;

/** Several metrics in one. The first is the one that methods are compared by. */
export function namedMetrics(
  [main, ...others]: readonly [MetricName, ...MetricName[]],
  positive = 1,
): { readonly main: string; readonly goal: "maximize" | "minimize"; readonly metric: Metric<number> } {
  const metrics: NumberMetric[] = [main, ...others].map((name) => METRICS[name]);
  const { key, goal } = METRICS[main];
  return { main: key, goal, metric: together(...metrics.map(({ make }) => make(positive))) };
}

/** Whether more or less of a value of a result is better. @param key its name there */
export function goalOf(key: string): "maximize" | "minimize" {
  if (key === "loss" || key === "perplexity") return "minimize";
  return Object.values<NumberMetric>(METRICS).find((metric) => metric.key === key)?.goal ?? "maximize";
}

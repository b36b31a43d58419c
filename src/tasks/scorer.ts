import type { MetricName } from "./namedMetrics.js";

/** Measures predictions as they come. */
export interface Scorer<Row, Prediction> {
  /** The metric by which checkpoints and methods are compared: `loss`, which evaluation adds, where no other says it. */
  readonly main: string;
  readonly goal: "maximize" | "minimize";
  /** Takes in a labelled row and what was predicted for it. */
  add(row: Row, prediction: Prediction): void;
  /** All metrics over the rows so far. @throws BidoraError `METRIC_ROWS`, `METRIC_NOT_FINITE` */
  result(): Readonly<Record<string, number>>;
}

/** What decides about the metrics beside the task. */
export interface ScorerOptions {
  /** The label names in the order of the outputs. */
  readonly labels: readonly string[];
  /** The metrics that a named data set is reported by, the main one first; they go before the task's own. */
  readonly metrics?: readonly [MetricName, ...MetricName[]] | undefined;
  /** Of two labels, the id of the one that F1 is about; by default the later one by value or name. */
  readonly positive?: number | undefined;
}

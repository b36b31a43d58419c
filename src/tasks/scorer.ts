import type { Metric } from "../metrics/index.js";
import type { MetricName } from "./namedMetrics.js";

/** How a task's predictions are measured. */
export interface Scorer<Reference, Prediction> {
  /** The metric by which checkpoints and methods are compared: `loss`, which evaluation adds, where no other says it. */
  readonly main: string;
  readonly goal: "maximize" | "minimize";
  /** All that is measured. @throws BidoraError `METRIC_ROWS`, `METRIC_NOT_FINITE` */
  readonly metric: Metric<Reference, Prediction>;
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

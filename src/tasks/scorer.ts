import { own } from "../common/collections.js";
import { BidoraError } from "../common/errors.js";
import type { Goal, Metric } from "../metrics/index.js";
import type { MetricName } from "./namedMetrics.js";

/** How a task's predictions are measured. */
export interface Scorer<Reference, Prediction> {
  /** The metric by which checkpoints and methods are compared: `loss`, which evaluation adds, where no other says it. */
  readonly main: string;
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

/**
 * Whether more or less of a value is better: what the metric says of it; of the loss, which evaluation adds, less.
 * @param metric that gives the value, and any others beside it
 * @throws BidoraError `METRIC_GOAL` for a value of which no metric says it
 */
export function goalOf(name: string, ...metrics: readonly Pick<Metric<never, never>, "values">[]): Goal {
  const values = metrics.map((metric) => own(metric.values, name)).find((value) => value !== undefined);
  if (values !== undefined) return values.goal;
  if (name === "loss") return "minimize";
  throw new BidoraError(
    "METRIC_GOAL",
    `No metric of the task says whether more of "${name}" is better: name it in the metric's values, as { ${name}: { goal: "minimize" } }.`,
  );
}

/** @throws BidoraError `METRIC_GOAL` for a result with a value of which the metric does not say whether more of it is better */
export function checkValues(result: object, metric: Pick<Metric<never, never>, "values">): void {
  for (const name of Object.keys(result)) goalOf(name, metric);
}

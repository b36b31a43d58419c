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

/** What a model went on with. */
export interface WrittenText {
  readonly text: string;
}

/** How generated texts are measured: against all references of their prompt. Space around them does not count. */
export const textScorer: Scorer<readonly string[], WrittenText> = {
  main: "bleu",
  metric: readingFrom(textScores(), ({ text }) => text.trim()),
};

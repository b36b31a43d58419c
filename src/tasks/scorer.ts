import { BidoraError, kebabCase, own } from "../base/index.js";
import { isOfClass } from "../base/records/index.js";
import {
  combineMetrics,
  type Goal,
  type Metric,
  type MetricValue,
  mapPrediction,
  type TextMetric,
} from "./metrics/index.js";
import * as named from "./metrics/named.js";
import { E2E_METRICS } from "./metrics/textMetrics.js";
import * as texts from "./metrics/texts.js";

/** How a task's predictions are scored. */
export interface Scorer<Reference, Prediction> {
  /** The value by which checkpoints and methods are compared; may be `loss`, which evaluation adds. */
  readonly main: string;
  /** All metrics. @throws BidoraError `METRIC_ROWS`, `METRIC_NOT_FINITE` */
  readonly metric: Metric<Reference, Prediction>;
  /** The values that there are of these examples, if not all that the metric declares. */
  readonly names?: readonly string[];
}

/** What the metrics depend on besides the task. */
export interface ScorerOptions {
  /** The label names in the order of the outputs. */
  readonly labels: readonly string[];
  /** The metrics of a named data set, the main one first; they replace the task's. */
  readonly metrics?: readonly [MetricName, ...MetricName[]] | undefined;
  /** The id of the positive label of two, for F1; by default the later one by value or name. */
  readonly positive?: number | undefined;
  /** For embeddings: whether examples are pairs with a score; by default as the task knows it. */
  readonly isScored?: boolean | undefined;
}

/** What the first metric that has a value declares about it. */
export const declared = (
  name: string,
  ...metrics: readonly Pick<Metric<never, never>, "values">[]
): MetricValue | undefined => metrics.map((metric) => own(metric.values, name)).find((value) => value !== undefined);

/**
 * Whether higher or lower values are better, as the metric declares; for the loss, which evaluation adds, lower.
 * @throws BidoraError `METRIC_GOAL` for a value that no metric declares
 */
export function goalOf(name: string, ...metrics: readonly Pick<Metric<never, never>, "values">[]): Goal {
  const values = declared(name, ...metrics);
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

type KebabCase<Text extends string> = Text extends `${infer First}${infer Rest}`
  ? `${Lowercase<First>}${Rest extends Uncapitalize<Rest> ? "" : "-"}${KebabCase<Rest>}`
  : Text;

/** The name of a metric of one number per example: `accuracy`, `macro-f1`, … */
export type MetricName = KebabCase<keyof typeof named>;

/** All named metrics. Precision, recall and F1 are of one class, `positive`. */
const METRICS: ReadonlyMap<string, (positive: number) => Metric<number>> = new Map(
  Object.entries(named).map(([name, make]) => [kebabCase(name), make]),
);

/** The named metrics joined into one. The first is the main metric, by which methods are compared. */
export function namedMetrics(
  names: readonly [MetricName, ...MetricName[]],
  positive = 1,
): { readonly main: string; readonly metric: Metric<number> } {
  const metric = combineMetrics(...names.map((name) => METRICS.get(name)!(positive)));
  return { main: Object.keys(metric.values)[0]!, metric };
}

/** The values of all named metrics: a run's folder does not say which of them were used. */
export const NAMED_VALUES: Pick<Metric<number>, "values"> = combineMetrics(
  ...Array.from(METRICS.values(), (make) => make(1)),
);

/** The positive label, if any of the metrics is of it. */
export const positiveName = (
  metric: Pick<Metric<never, never>, "values">,
  labels: readonly string[] = [],
  positive: number | undefined,
): { readonly positiveLabel?: string } =>
  positive !== undefined && Object.keys(metric.values).some(isOfClass) ? { positiveLabel: labels[positive]! } : {};

/** A generated text. */
export interface GeneratedText {
  readonly text: string;
}

/** All metrics of texts, those of the E2E challenge first. */
const TEXT_METRICS: Iterable<() => TextMetric> = new Set([...E2E_METRICS, ...Object.values(texts)]);

/** Scores generated texts, trimmed, against all references of their prompt. */
export const textScorer: Scorer<readonly string[], GeneratedText> = {
  main: "bleu",
  metric: mapPrediction(combineMetrics(...Array.from(TEXT_METRICS, (make) => make())), ({ text }) => text.trim()),
};

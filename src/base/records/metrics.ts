// metrics.json, which a run writes when it has finished, and the names of metrics: each says which rows it was measured on.
import { join } from "node:path";
import { writeFileAtomic } from "./atomic.js";
import { readJsonObject } from "./json.js";

export const METRICS = "metrics.json";

/** Metric names to values. A loss on evaluated rows is the metric `loss`. */
export type Metrics = Readonly<Record<string, number>>;

/** Whether higher or lower values are better. */
export type Goal = "maximize" | "minimize";

/** The rows that a metric was measured on; `holdout` are training rows that were held out. */
export type MetricRows = "validation" | "test" | "holdout";

/** The prefix of a metric's name by its rows. */
const PREFIXES = { validation: "", test: "test_", holdout: "holdout_" } as const satisfies Record<MetricRows, string>;

/** The full name of a metric, such as `test_accuracy`. */
export const metricName = (name: string, rows: MetricRows): string => `${PREFIXES[rows]}${name}`;

/** The rows that a metric was measured on. */
export function metricRows(metric: string): MetricRows {
  return metric.startsWith(PREFIXES.test) ? "test" : metric.startsWith(PREFIXES.holdout) ? "holdout" : "validation";
}

/** A metric's name without its prefix. */
export const bareMetric = (metric: string): string => metric.slice(PREFIXES[metricRows(metric)].length);

/** Whether a metric is of one class where a run has two labels: of the positive one. */
export const isOfClass = (metric: string): boolean => ["precision", "recall", "f1"].includes(bareMetric(metric));

/** ` of spam` for a metric of one class; nothing for others, and without a positive label. */
export const ofClass = (metric: string, positiveLabel: unknown): string =>
  typeof positiveLabel === "string" && isOfClass(metric) ? ` of ${positiveLabel}` : "";

/** The metrics of some rows, by their names without the prefix. */
export function metricsOf(metrics: Metrics, rows: MetricRows): Metrics {
  const found = Object.entries(metrics).filter(([name]) => metricRows(name) === rows);
  return Object.fromEntries(found.map(([name, value]) => [bareMetric(name), value]));
}

/** What a finished run's metrics have to be read with; a finding that does not hold is left out. */
export interface Findings {
  /** No trained tensor of the result differs from the run's start. */
  readonly untrained?: true;
  /** The rows for which all predictions are the same. */
  readonly constant?: readonly MetricRows[];
  /** The rows that all have the same label. */
  readonly constantLabels?: readonly MetricRows[];
}

/** Written last: a folder with this file holds a finished run. */
export function writeMetrics(folder: string, metrics: Metrics, findings: Findings = {}): void {
  writeFileAtomic(join(folder, METRICS), `${JSON.stringify({ ...metrics, ...findings }, undefined, 2)}\n`);
}

/** The metrics alone. */
export function readMetrics(folder: string): Metrics {
  const numbers = Object.entries(readJsonObject(join(folder, METRICS))).filter(
    ([, value]) => typeof value === "number",
  );
  return Object.fromEntries(numbers) as Metrics;
}

export function readFindings(folder: string): Findings {
  const { untrained, constant, constantLabels } = readJsonObject(join(folder, METRICS));
  return {
    ...(untrained === true && { untrained }),
    ...(areRows(constant) && { constant }),
    ...(areRows(constantLabels) && { constantLabels }),
  };
}

const areRows = (value: unknown): value is readonly MetricRows[] =>
  Array.isArray(value) && value.every((rows) => Object.hasOwn(PREFIXES, rows));

import type { Metric } from "./metric.js";

/** A measure of texts, each against all references of its row; `measure` throws METRIC_ROWS for a row without any. */
export type TextMetric<Measured = unknown> = Metric<readonly string[], string, Measured>;

import type { Findings, MetricRows, PredictedRow } from "../../base/records/index.js";
import { isConstant } from "../../tasks/index.js";

type Decided = Pick<PredictedRow, "prediction" | "reference">;

/** The rows for which all predictions are the same, and those that all have the same label. */
export function constantRows(
  splits: Iterable<readonly [MetricRows, readonly Decided[]]>,
): Pick<Findings, "constant" | "constantLabels"> {
  const all = [...splits];
  const named = (is: (rows: readonly Decided[]) => boolean) =>
    all.flatMap(([split, rows]) => (is(rows) ? [split] : []));
  const constant = named((rows) => isConstant(rows.map(({ prediction }) => prediction)));
  const constantLabels = named((rows) => isConstant(rows.map(labelOf)));
  return { ...(constant.length > 0 && { constant }), ...(constantLabels.length > 0 && { constantLabels }) };
}

/** A row's label in the form of its prediction; nothing for tasks whose predictions are neither labels nor numbers. */
function labelOf({ prediction, reference }: Decided): PredictedRow["prediction"] {
  if (prediction.tokens !== undefined && Array.isArray(prediction.labels)) return { tokens: [], labels: reference };
  if (prediction.labels !== undefined) return { labels: reference };
  return prediction.label !== undefined || prediction.value !== undefined ? { value: reference } : {};
}

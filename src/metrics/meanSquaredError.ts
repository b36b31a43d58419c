import { atLeastOne, checkFinite } from "./checks.js";
import type { Metric } from "./metric.js";

/** `meanSquaredError`, in the square of the label's unit. Throws METRIC_NOT_FINITE. */
export function meanSquaredError(): Metric<number> {
  let [rows, sum] = [0, 0];
  return {
    add(reference, prediction) {
      rows++;
      checkFinite(reference, "references", rows);
      checkFinite(prediction, "predictions", rows);
      sum += (reference - prediction) ** 2;
    },
    result: () => ({ meanSquaredError: sum / atLeastOne(rows) }),
  };
}

import { checkFinite, mean } from "./checks.js";
import { LESS_IS_BETTER, type Metric } from "./metric.js";

/** `meanSquaredError`, in the square of the label's unit. Throws METRIC_NOT_FINITE. */
export function meanSquaredError(): Metric<number, number, number> {
  return {
    values: { meanSquaredError: LESS_IS_BETTER },
    measure(reference, prediction, row) {
      checkFinite(reference, "references", row);
      checkFinite(prediction, "predictions", row);
      return (reference - prediction) ** 2;
    },
    result: (rows) => ({ meanSquaredError: mean(rows) }),
  };
}

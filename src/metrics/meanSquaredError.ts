import { checkFinite } from "./checks.js";
import { LESS_IS_BETTER, type Metric } from "./metric.js";
import { meanOverRows } from "./sums.js";

/** `meanSquaredError`, in the square of the label's unit. Throws METRIC_NOT_FINITE. */
export function meanSquaredError(): Metric<number, number, number> {
  return meanOverRows("meanSquaredError", LESS_IS_BETTER, (reference, prediction, row) => {
    checkFinite(reference, "references", row);
    checkFinite(prediction, "predictions", row);
    return (reference - prediction) ** 2;
  });
}

import { mean } from "./checks.js";
import { type Metric, SHARE_OF_ROWS } from "./metric.js";

/** `accuracy`: the share of rows whose predicted class is the reference class, in [0, 1]. */
export function accuracy(): Metric<number, number, number> {
  return {
    values: { accuracy: SHARE_OF_ROWS },
    measure: (reference, prediction) => (reference === prediction ? 1 : 0),
    result: (rows) => ({ accuracy: mean(rows) }),
  };
}

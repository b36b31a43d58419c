import { atLeastOne } from "./checks.js";
import type { Metric } from "./metric.js";

/** `accuracy`: the share of rows whose predicted class is the reference class, in [0, 1]. */
export function accuracy(): Metric<number> {
  let [rows, right] = [0, 0];
  return {
    add(reference, prediction) {
      rows++;
      if (reference === prediction) right++;
    },
    result: () => ({ accuracy: right / atLeastOne(rows) }),
  };
}

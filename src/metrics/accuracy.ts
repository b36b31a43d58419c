import { type Metric, SHARE_OF_ROWS } from "./metric.js";
import { meanOverRows } from "./sums.js";

/** `accuracy`: the share of rows whose predicted class is the reference class, in [0, 1]. */
export function accuracy(): Metric<number, number, number> {
  return meanOverRows("accuracy", SHARE_OF_ROWS, (reference, prediction) => (reference === prediction ? 1 : 0));
}

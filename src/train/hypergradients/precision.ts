import type { DType } from "../../torch/index.js";
import type { HypergradientName } from "./estimator.js";

/** Those that divide a small difference of two gradients, of which coarse numbers leave little. */
const DIFFERENCES: ReadonlySet<HypergradientName> = new Set(["finite-difference", "forward-difference"]);

/** Whether an estimator loses its digits where the model computes in `dtype`. */
export function isTooCoarse(name: HypergradientName, dtype: DType | "auto"): boolean {
  return dtype === "bfloat16" && DIFFERENCES.has(name);
}

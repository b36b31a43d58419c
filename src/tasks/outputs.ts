import * as z from "zod";
import type { Tensor } from "../torch/index.js";

/** The outputs of each row, or of each token. outputs: [n, width] → n lists of width numbers */
export function rowsOf(outputs: Tensor): Float64Array[] {
  const [count, width] = outputs.shape as [number, number];
  const flat = Float64Array.from(outputs.toArray());
  return Array.from({ length: count }, (_, i) => flat.subarray(i * width, (i + 1) * width));
}

/** Probabilities that sum to one. */
export function softmax(logits: Float64Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const powers = logits.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** The logits of a prediction in a file, by which it is known how many labels there are; undefined where there are none. */
export const writtenLogits = z.array(z.unknown()).optional().catch(undefined);

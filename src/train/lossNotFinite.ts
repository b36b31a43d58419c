import { BidoraError } from "../common/errors.js";

/** The loss of a step as a number. Throws LOSS_NOT_FINITE before it can do harm. */
export function finiteLoss(value: number, what = "loss"): number {
  if (Number.isFinite(value)) return value;
  throw new BidoraError(
    "LOSS_NOT_FINITE",
    `The ${what} is ${Number.isNaN(value) ? "not a number" : "infinite"}: take a smaller --learning-rate, or --max-grad-norm 1, or --dtype float32.`,
  );
}

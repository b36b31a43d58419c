import erfc from "@stdlib/math-base-special-erfc";
import erfcinv from "@stdlib/math-base-special-erfcinv";

/** The share of the standard normal distribution below `z`. */
export const normalShare = (z: number): number => erfc(-z / Math.SQRT2) / 2;

/** Below which value that share of the standard normal distribution lies; infinite for 0 and 1. */
export const normalQuantile = (share: number): number => -Math.SQRT2 * erfcinv(2 * share);

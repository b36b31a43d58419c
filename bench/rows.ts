import { type Measured, median, type Ratio } from "./turns/compare.js";

/** The ratio to reach: a minimum speedup, or a maximum share of the time or memory. */
export type Goal = { readonly atLeast: number } | { readonly atMost: number };

/** One line of the table. */
export interface Row {
  readonly what: string;
  readonly setting: string;
  readonly against: string;
  readonly goal: Goal | undefined;
  /** Undefined if a side failed. */
  readonly ratio: Ratio | undefined;
  /** The two figures behind the ratio, with their units. */
  readonly ours: string;
  readonly theirs: string;
}

export function isMet({ goal, ratio }: Row): boolean | undefined {
  if (!goal || !ratio) return undefined;
  return "atLeast" in goal ? ratio.median >= goal.atLeast : ratio.median <= goal.atMost;
}

/** The median of a side's rounds. */
export function milliseconds({ rounds }: Measured): string {
  const value = median(rounds) * 1000;
  return `${value < 100 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

export function mebibytes({ memory }: Measured): string {
  return `${memory.peakMiB.toFixed(0)} MiB`;
}

/** The ratio of two figures that were each measured once. */
export function single(value: number): Ratio {
  return { median: value, low: value, high: value };
}

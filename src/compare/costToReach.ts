import type { ComparedMetric, Cost } from "../files/comparison.js";

/** One evaluation during a run. */
export interface EvaluationPoint {
  /** Since the start of the run. */
  readonly seconds: number;
  /** Counted through the whole run, from 1. */
  readonly step: number;
  /** The score. */
  readonly value: number;
}

/**
 * When a run first had a score as good as the target, at the evaluation that saw it: nothing is guessed between two of them, so
 * that runs compare only where they are evaluated as often. Null where it never had. A value that is no number reaches nothing.
 * @param evaluations in any order
 */
export function costToReach(
  evaluations: readonly EvaluationPoint[],
  target: number,
  goal: ComparedMetric["goal"],
): Cost | null {
  const isReached = (value: number) => (goal === "maximize" ? value >= target : value <= target);
  const reached = evaluations.filter(({ value }) => isReached(value));
  if (reached.length === 0) return null;
  const { seconds, step } = reached.reduce((first, point) => (point.step < first.step ? point : first));
  return { seconds, step };
}

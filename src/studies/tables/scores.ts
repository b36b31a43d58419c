// A method's score on a task, over its runs, and what stands beside it.
import { own } from "../../base/index.js";
import { type Comparison, metricRows } from "../../base/records/index.js";
import { averagesOf } from "../statistics/averages.js";
import { competes, countMissing, flawWords } from "../statistics/competing.js";
import { mean, round12, sampleDeviation } from "../statistics/summary.js";
import { NOTHING } from "./renderTable.js";

/** The scores of a method's runs on a task; no mean for no scores. */
export interface Score {
  readonly mean?: number;
  readonly deviation: number | null;
  readonly n: number;
  /** The numbers of runs that failed, and that have no score for another reason. */
  readonly failed: number;
  readonly missing: number;
  /** Why it says nothing about the method. */
  readonly flaws: readonly string[];
  readonly competes: boolean;
}

export function scoreOf(comparison: Comparison, task: string, method: string, metric: string): Score {
  const runs = comparison.runs.filter(
    (run) => run.task === task && run.method === method && own(run.metrics, metric) !== undefined,
  );
  const values = runs.flatMap(({ metrics }) => own(metrics, metric) ?? []);
  const facts = {
    ...countMissing(comparison, task, method),
    n: runs.length,
    flaws: flawWords(runs, metricRows(metric)),
    competes: competes(comparison, task, method),
  };
  return runs.length === 0
    ? { deviation: null, ...facts }
    : { mean: mean(values), deviation: sampleDeviation(values), ...facts };
}

/** The average over tasks of each method that has one. */
export const averageScores = (comparison: Comparison): (Score & { readonly method: string; readonly mean: number })[] =>
  averagesOf(comparison).map((one) => ({
    ...{ ...one, failed: 0, missing: 0, flaws: [] },
    competes: comparison.tasks.every(({ name }) => competes(comparison, name, one.method)),
  }));

export const meansOf = (scores: readonly Score[]): number[] =>
  scores.flatMap(({ mean }) => (mean === undefined ? [] : round12(mean)));

export function noScoreText({ failed, missing }: Score): string {
  const all = failed + missing;
  const parts = [...(failed > 0 ? [`failed ${failed}`] : []), ...(missing > 0 ? [`missing ${missing}`] : [])];
  return all === 0 ? NOTHING : `${parts.join(", ")} of ${all}`;
}

/** What is unusual about the runs behind a score: how many have none, and why it says nothing of its method. */
export function seedsText({ n, failed, missing, flaws }: Score, usualSeeds: number): string {
  const all = n + failed + missing;
  const parts = [
    ...(all > n ? [`n = ${n} of ${all}`] : n === usualSeeds ? [] : [`n = ${n}`]),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(missing > 0 ? [`${missing} missing`] : []),
    ...flaws,
  ];
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

/** With how many decimals a value has this number of significant digits. */
export const decimalsOf = (value: number, digits: number): number =>
  value > 0 ? Math.min(12, Math.max(0, digits - 1 - Math.floor(Math.log10(value)))) : 0;

/** The decimals with which the largest value shows four significant digits; four for values from 1 to 10. */
export function decimalsFor(values: readonly number[]): number {
  const largest = Math.max(0, ...values.map(Math.abs));
  return largest === 0 || (largest >= 1 && largest < 10) ? 4 : decimalsOf(largest, 4);
}

/** A number with a typographic minus, and no minus before zero. */
export function figure(value: number, decimals: number): string {
  const text = value.toFixed(decimals);
  return text.startsWith("-") && Number(text) !== 0 ? text.replace("-", "−") : text.replace("-", "");
}

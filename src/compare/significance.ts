import { own } from "../common/own.js";
import type { Interval } from "../metrics/bootstrap.js";
import { type ComparedMetric, type ComparedRun, type Comparison, checkComparison } from "./comparison.js";
import { type PairedEffect, pairedEffect } from "./effectSize.js";
import { withHolm } from "./holm.js";
import { wilcoxon } from "./wilcoxon.js";

/** One test of two methods, as it stands in `comparison.json`. */
export type SignificanceTest = WilcoxonTest | BootstrapTest;

interface Tested {
  readonly a: string;
  readonly b: string;
  readonly metric: string;
  readonly p: number;
  /** p corrected within the entries of one test, one metric and one task. */
  readonly pHolm: number;
  /** The task that it is about; without one, all tasks are. */
  readonly task?: string;
}

/** Wilcoxon's signed-rank test over pairs of runs. */
export interface WilcoxonTest extends Tested {
  readonly test: "wilcoxon";
  /** How many runs of a have a partner: the run of b on the same task with the same seed. */
  readonly pairs: number;
  /** How many runs of a and b, on tasks that have the metric, have no partner or lack the metric, and are left out. */
  readonly unmatched: number;
  /** min(W+, W−) */
  readonly statistic: number;
  /** How much better a is than b: positive where it is better, also for metrics of which less is better. */
  readonly effect: PairedEffect;
}

/** The paired bootstrap over rows that both methods have predicted. */
export interface BootstrapTest extends Tested, Interval {
  readonly test: "bootstrap";
  /** The number of rows. */
  readonly pairs: number;
  /** The metric of a less that of b, in an interval from `low` to `high`. */
  readonly statistic: number;
}

type Uncorrected = Omit<WilcoxonTest, "pHolm">;

/**
 * Wilcoxon's test of all pairs of methods, which are entries only where they have a pair of runs. For each main metric over all
 * tasks and seeds: a metric goes into one test with itself alone, and so all runs that have it count, also on tasks that are
 * told by another. Then for each task by its main metric over its seeds. Families of p-values are corrected by Holm.
 * @throws BidoraError `COMPARISON` as `checkComparison`
 */
export function significance(comparison: Comparison): WilcoxonTest[] {
  checkComparison(comparison);
  const { tasks, runs } = comparison;
  const mains = new Map(tasks.map(({ metrics: [main] }) => [main.name, main]));
  const overall = [...mains.values()].flatMap((metric) => testsOf(comparison, runsOfTasksWith(metric, runs), metric));
  const single = tasks.flatMap(({ name, metrics: [main] }) =>
    testsOf(
      comparison,
      runs.filter(({ task }) => task === name),
      main,
    ).map((test) => ({ ...test, task: name })),
  );
  return withHolm<Uncorrected>([...overall, ...single]);
}

/** A run without the metric counts as missing only where others of its task have it. */
function runsOfTasksWith({ name }: ComparedMetric, runs: readonly ComparedRun[]): ComparedRun[] {
  const tasks = new Set(runs.filter(({ metrics }) => own(metrics, name) !== undefined).map(({ task }) => task));
  return runs.filter(({ task }) => tasks.has(task));
}

function testsOf({ methods }: Comparison, runs: readonly ComparedRun[], metric: ComparedMetric): Uncorrected[] {
  const pairs = methods.flatMap((a, place) => methods.slice(place + 1).map((b): [string, string] => [a, b]));
  return pairs.flatMap(([a, b]) => testOf(a, b, metric, runs) ?? []);
}

function testOf(a: string, b: string, metric: ComparedMetric, runs: readonly ComparedRun[]): Uncorrected | undefined {
  const of = (method: string) => scores(runs, method, metric);
  const [left, right] = [of(a), of(b)];
  const matched = [...left.keys()].filter((key) => right.has(key));
  const [x, y] = [matched.map((key) => left.get(key)!), matched.map((key) => right.get(key)!)];
  const effect = pairedEffect(x, y);
  if (!effect) return undefined;
  const { statistic, p } = wilcoxon(x, y);
  const those = runs.filter(({ method }) => method === a || method === b).length;
  const [pairs, unmatched] = [matched.length, those - 2 * matched.length];
  return { a, b, metric: metric.name, pairs, unmatched, statistic, p, test: "wilcoxon", effect };
}

/** The scores of one method by task and seed, turned so that more is better. */
function scores(runs: readonly ComparedRun[], method: string, { name, goal }: ComparedMetric): Map<string, number> {
  const sign = goal === "minimize" ? -1 : 1;
  const found = new Map<string, number>();
  for (const run of runs) {
    const value = own(run.metrics, name);
    if (run.method === method && value !== undefined) found.set(JSON.stringify([run.task, run.seed]), sign * value);
  }
  return found;
}

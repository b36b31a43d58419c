import { own } from "../common/own.js";
import type { Interval } from "../metrics/bootstrap.js";
import { type ComparedMetric, type ComparedRun, type Comparison, checkComparison } from "./comparison.js";
import { type PairedEffect, pairedEffect } from "./effectSize.js";
import { withHolm } from "./holm.js";
import { methodsWithoutFailure } from "./missingRuns.js";
import { isOfRows } from "./scoredRows.js";
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

/** Stands for the main metric of each task, where a test is over tasks that have unlike ones. */
export const MAIN = "main";

/**
 * Wilcoxon's test of all pairs of methods, which are entries only where they have a pair of runs. For each main metric over all
 * tasks and seeds: a metric goes into one test with itself alone, and so all runs that have it count, also on tasks that are
 * told by another. Where there are several main metrics of which more is better (shares and correlations, which are of one size), there is
 * `main` too: each task by its own, as the BiDoRA paper's test over GLUE has it. Then for each task by its main metric over its seeds.
 * Methods of which a run failed on these tasks are left out. Families of p-values are corrected by Holm.
 * @throws BidoraError `COMPARISON` as `checkComparison`
 */
export function significance(comparison: Comparison): WilcoxonTest[] {
  checkComparison(comparison);
  const { tasks, runs } = comparison;
  const mains = [...new Map(tasks.map(({ metrics: [main] }) => [main.name, main])).values()];
  const overall = mains.flatMap((metric) =>
    testsOf(comparison, runsOfTasksWith(metric, comparison), metric.name, () => metric),
  );
  const single = tasks.flatMap(({ name, metrics: [main] }) =>
    testsOf(
      comparison,
      runs.filter(({ task }) => task === name),
      main.name,
      () => main,
    ).map((test) => ({ ...test, task: name })),
  );
  return withHolm<Uncorrected>([...overall, ...pooled(comparison), ...single]);
}

/** Over all tasks that are told by something of which more is better, where that is not one metric for all of them. */
function pooled(comparison: Comparison): Uncorrected[] {
  const { tasks, runs } = comparison;
  const mains = new Map(tasks.map(({ name, metrics: [main] }) => [name, main]));
  const maximized = [...mains].filter(([, { goal }]) => goal === "maximize");
  if (new Set(maximized.map(([, { name }]) => name)).size < 2) return [];
  const of = new Map(maximized);
  const known = runs.filter(({ task }) => of.has(task));
  return testsOf(comparison, known, MAIN, (task) => of.get(task)!);
}

/** What a run on a task is told by. */
type MetricOf = (task: string) => ComparedMetric;

/**
 * A run without the metric counts as missing only where others of its task have it. A task whose scores are of other rows than the
 * metric is left out: what is shown beside them is not tested.
 */
function runsOfTasksWith({ name }: ComparedMetric, { tasks: compared, runs }: Comparison): ComparedRun[] {
  const judged = new Set(compared.filter(({ rows }) => isOfRows(name, rows)).map((task) => task.name));
  const having = runs.filter(({ task, metrics }) => judged.has(task) && own(metrics, name) !== undefined);
  const tasks = new Set(having.map(({ task }) => task));
  return runs.filter(({ task }) => tasks.has(task));
}

function testsOf(
  comparison: Pick<Comparison, "methods" | "failed">,
  runs: readonly ComparedRun[],
  metric: string,
  metricOf: MetricOf,
): Uncorrected[] {
  const sound = methodsWithoutFailure(comparison, new Set(runs.map(({ task }) => task)));
  const pairs = sound.flatMap((a, place) => sound.slice(place + 1).map((b): [string, string] => [a, b]));
  return pairs.flatMap(([a, b]) => {
    const test = testOf(a, b, metricOf, runs);
    return test ? { ...test, metric } : [];
  });
}

function testOf(
  a: string,
  b: string,
  metricOf: MetricOf,
  runs: readonly ComparedRun[],
): Omit<Uncorrected, "metric"> | undefined {
  const of = (method: string) => scores(runs, method, metricOf);
  const [left, right] = [of(a), of(b)];
  const matched = [...left.keys()].filter((key) => right.has(key));
  const [x, y] = [matched.map((key) => left.get(key)!), matched.map((key) => right.get(key)!)];
  const effect = pairedEffect(x, y);
  if (!effect) return undefined;
  const { statistic, p } = wilcoxon(x, y);
  const those = runs.filter(({ method }) => method === a || method === b).length;
  const [pairs, unmatched] = [matched.length, those - 2 * matched.length];
  return { a, b, pairs, unmatched, statistic, p, test: "wilcoxon", effect };
}

/** The scores of one method by task and seed, turned so that more is better. */
function scores(runs: readonly ComparedRun[], method: string, metricOf: MetricOf): Map<string, number> {
  const found = new Map<string, number>();
  for (const run of runs.filter((one) => one.method === method)) {
    const { name, goal } = metricOf(run.task);
    const sign = goal === "minimize" ? -1 : 1;
    const value = own(run.metrics, name);
    if (value !== undefined) found.set(JSON.stringify([run.task, run.seed]), sign * value);
  }
  return found;
}

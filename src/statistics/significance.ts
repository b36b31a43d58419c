/** Significance tests between methods, from the scores of finished runs. */
import { group } from "d3-array";
import { own } from "../common/collections.js";
import type { ComparedMetric, ComparedRun, Comparison, WilcoxonTest } from "../files/comparison.js";
import { checkComparison, isOfRows, methodsWithoutFailure } from "./checkComparison.js";
import { pairsNeeded, withHolm } from "./holm.js";
import { mean } from "./summary.js";
import { pairedEffect, wilcoxon } from "./wilcoxon.js";

type Uncorrected = Omit<WilcoxonTest, "pHolm">;

/** The `metric` of tests in which each task counts with its own main metric. */
export const MAIN = "main";

/**
 * Wilcoxon's signed-rank test of every two methods that have a pair of runs. Three kinds of tests, in this order:
 * - over the seeds of several tasks: one test for each main metric, over all tasks that have the metric; and where tasks differ in
 *   their main metric, a test `main` with each task's own, as the BiDoRA paper's over GLUE. It uses the metrics for which higher is
 *   better: they are shares and correlations, which have the same scale. Seeds of one task are not independent samples of tasks, so
 *   these tests hold for these tasks only.
 * - the same over the tasks' means (Demšar 2006, §3.1), which generalizes to tasks of this kind; where there are enough tasks for
 *   significance.
 * - over the seeds of each task, by its main metric.
 *
 * Methods with a failed run on the tested tasks are left out. p-values are corrected by Holm within families.
 * @throws BidoraError `COMPARISON` as `checkComparison`
 */
export function significance(comparison: Comparison): WilcoxonTest[] {
  checkComparison(comparison);
  const { tasks, runs } = comparison;
  const several = [...overTasksWith(comparison), ...pooled(comparison)].filter(isOfSeveralTasks);
  const testsOver = (scope: NamedScope, pairing: Pairing) =>
    testsOf(comparison, scope, pairing).map((test) => ({ ...test, ...someTasks(comparison, scope) }));
  const single = tasks.flatMap(({ name, metrics: [main] }) => {
    const scope = { metric: main.name, metricOf: () => main, runs: runs.filter(({ task }) => task === name) };
    return testsOf(comparison, scope, overSeeds("seeds of this task")).map((test) => ({ ...test, task: name }));
  });
  return withHolm<Uncorrected>([
    ...several.flatMap((scope) => testsOver(scope, overSeeds("seeds of these tasks"))),
    ...several.flatMap((scope) => testsOver(scope, OVER_TASKS)),
    ...single,
  ]);
}

/** The runs of a test, and the metric that it compares on each task. */
interface Scope {
  readonly runs: readonly ComparedRun[];
  readonly metricOf: (task: string) => ComparedMetric;
}

type NamedScope = Scope & { readonly metric: string };

const tasksIn = ({ runs }: Scope): ReadonlySet<string> => new Set(runs.map(({ task }) => task));

const isOfSeveralTasks = (scope: Scope): boolean => tasksIn(scope).size > 1;

/** The tasks of a test over several tasks, if it leaves out any task of the comparison, tasks without a result included. */
function someTasks(comparison: Comparison, scope: Scope): Pick<WilcoxonTest, "tasks"> {
  const { tasks, failed = [], unfinished = [] } = comparison;
  const tested = tasksIn(scope);
  const asked = [...tasks.map(({ name }) => name), ...[...failed, ...unfinished].map(({ task }) => task)];
  return asked.every((name) => tested.has(name))
    ? {}
    : { tasks: [...new Set(asked)].filter((name) => tested.has(name)) };
}

/** One scope for each main metric: the runs of all tasks that have it. */
function overTasksWith(comparison: Comparison): NamedScope[] {
  const mains = [...new Map(comparison.tasks.map(({ metrics: [main] }) => [main.name, main])).values()];
  return mains.map((main) => ({ metric: main.name, metricOf: () => main, runs: runsOfTasksWith(main, comparison) }));
}

/**
 * The runs of all tasks on which any run has the metric; runs without it on these tasks count as unmatched. Tasks whose scores are of other
 * rows than the metric's are left out: scores that are only shown are not tested.
 */
function runsOfTasksWith({ name }: ComparedMetric, { tasks: compared, runs }: Comparison): ComparedRun[] {
  const scored = new Set(compared.filter(({ rows }) => isOfRows(name, rows)).map((task) => task.name));
  const having = runs.filter(({ task, metrics }) => scored.has(task) && own(metrics, name) !== undefined);
  const tasks = new Set(having.map(({ task }) => task));
  return runs.filter(({ task }) => tasks.has(task));
}

/** The tasks whose main metric is better when higher; none if all of these have the same one. */
function pooled({ tasks, runs }: Comparison): NamedScope[] {
  const mains = new Map(tasks.map(({ name, metrics: [main] }) => [name, main]));
  const maximized = [...mains].filter(([, { goal }]) => goal === "maximize");
  if (new Set(maximized.map(([, { name }]) => name)).size < 2) return [];
  const of = new Map(maximized);
  return [{ metric: MAIN, metricOf: (task) => of.get(task)!, runs: runs.filter(({ task }) => of.has(task)) }];
}

/** What a test pairs, how many pairs it needs, and which population it is about. */
interface Pairing extends Pick<WilcoxonTest, "test" | "population"> {
  readonly pairsOf: (scope: Scope, a: string, b: string) => PairedScores;
  readonly least: number;
}

const overSeeds = (population: WilcoxonTest["population"]): Pairing => ({
  ...{ test: "wilcoxon", population, pairsOf: pairsOfRuns, least: 1 },
});

/** With fewer tasks no outcome is significant. */
const OVER_TASKS: Pairing = {
  ...{ test: "wilcoxon-tasks", population: "tasks", pairsOf: pairsOfTasks, least: pairsNeeded() },
};

function testsOf(
  comparison: Pick<Comparison, "methods" | "failed">,
  scope: NamedScope,
  pairing: Pairing,
): Uncorrected[] {
  const sound = methodsWithoutFailure(comparison, tasksIn(scope));
  const pairs = sound.flatMap((a, place) => sound.slice(place + 1).map((b): [string, string] => [a, b]));
  return pairs.flatMap(([a, b]) => testOf(a, b, scope, pairing) ?? []);
}

function testOf(
  a: string,
  b: string,
  scope: NamedScope,
  { test, population, pairsOf, least }: Pairing,
): Uncorrected | undefined {
  const scores = pairsOf(scope, a, b);
  const effect = scores.a.length < least ? undefined : pairedEffect(scores.a, scores.b);
  if (!effect) return undefined;
  const { statistic, p, differing } = wilcoxon(scores.a, scores.b);
  const [pairs, { unmatched }, { metric }] = [scores.a.length, scores, scope];
  return { a, b, metric, population, pairs, differing, unmatched, statistic, p, test, effect };
}

/** Paired scores of two methods, negated for metrics to be minimized: more is better. */
interface PairedScores {
  readonly a: readonly number[];
  readonly b: readonly number[];
  /** How many runs, or tasks, have no partner or no score. */
  readonly unmatched: number;
}

/** One pair for each task and seed that both methods have. */
function pairsOfRuns(scope: Scope, a: string, b: string): PairedScores {
  const pairs = pairedRuns(scope, a, b);
  return {
    a: pairs.map(([{ score }]) => score),
    b: pairs.map(([, { score }]) => score),
    unmatched: runsOf(scope, a, b).length - 2 * pairs.length,
  };
}

/** One pair for each task: the means over the seeds that both methods have on it. */
function pairsOfTasks(scope: Scope, a: string, b: string): PairedScores {
  const byTask = [...group(pairedRuns(scope, a, b), ([{ task }]) => task).values()];
  const means = (side: 0 | 1) => byTask.map((pairs) => mean(pairs.map((pair) => pair[side].score)));
  const tasks = new Set(runsOf(scope, a, b).map(({ task }) => task));
  return { a: means(0), b: means(1), unmatched: tasks.size - byTask.length };
}

const runsOf = ({ runs }: Scope, a: string, b: string): ComparedRun[] =>
  runs.filter(({ method }) => method === a || method === b);

interface ScoredRun {
  readonly task: string;
  readonly score: number;
}

function pairedRuns(scope: Scope, a: string, b: string): (readonly [ScoredRun, ScoredRun])[] {
  const others = scoredRuns(scope, b);
  return [...scoredRuns(scope, a)].flatMap(([key, one]) => {
    const other = others.get(key);
    return other ? [[one, other] as const] : [];
  });
}

/** A method's runs that have a score, by task and seed. */
function scoredRuns({ runs, metricOf }: Scope, method: string): Map<string, ScoredRun> {
  const found = new Map<string, ScoredRun>();
  for (const run of runs.filter((one) => one.method === method)) {
    const { name, goal } = metricOf(run.task);
    const sign = goal === "minimize" ? -1 : 1;
    const value = own(run.metrics, name);
    if (value === undefined) continue;
    found.set(JSON.stringify([run.task, run.seed]), { task: run.task, score: sign * value });
  }
  return found;
}

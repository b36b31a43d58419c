import { group } from "d3-array";
import { own } from "../common/collections.js";
import type { ComparedMetric, ComparedRun, Comparison, WilcoxonTest } from "../files/comparison.js";
import { checkComparison, isOfRows, methodsWithoutFailure } from "./comparison.js";
import { pairsNeeded, withHolm } from "./holm.js";
import { mean } from "./statistics.js";
import { pairedEffect, wilcoxon } from "./wilcoxon.js";

type Uncorrected = Omit<WilcoxonTest, "pHolm">;

/** Stands for the main metric of each task, where a test is over tasks that have unlike ones. */
export const MAIN = "main";

/**
 * Wilcoxon's test of all pairs of methods, which are entries only where they have a pair of runs. For each main metric over the
 * seeds of all tasks that have it, also of those that are told by another, where these are several. Where there are several main
 * metrics of which more is better (shares and correlations, which are of one size), there is `main` too: each task by its own, as
 * the BiDoRA paper's test over GLUE has it. Seeds of one task are alike, so that these tests speak of these tasks alone; what is
 * to hold for tasks of this kind is tested over the tasks' means (Demšar 2006, §3.1), where they are enough to tell anything. Then
 * each task by its main metric over its seeds. Methods of which a run failed on these tasks are left out. Families of p-values are corrected by Holm.
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

type NamedScope = Scope & { readonly metric: string };

const tasksIn = ({ runs }: Scope): ReadonlySet<string> => new Set(runs.map(({ task }) => task));

const isOfSeveralTasks = (scope: Scope): boolean => tasksIn(scope).size > 1;

/** The tasks that a test over several of them speaks of, where it leaves others out: also those of which no run has a result. */
function someTasks(comparison: Comparison, scope: Scope): Pick<WilcoxonTest, "tasks"> {
  const { tasks, failed = [], unfinished = [] } = comparison;
  const tested = tasksIn(scope);
  const asked = [...tasks.map(({ name }) => name), ...[...failed, ...unfinished].map(({ task }) => task)];
  return asked.every((name) => tested.has(name))
    ? {}
    : { tasks: [...new Set(asked)].filter((name) => tested.has(name)) };
}

/** For each main metric all tasks that have it: a metric goes into one test with itself alone. */
function overTasksWith(comparison: Comparison): NamedScope[] {
  const mains = [...new Map(comparison.tasks.map(({ metrics: [main] }) => [main.name, main])).values()];
  return mains.map((main) => ({ metric: main.name, metricOf: () => main, runs: runsOfTasksWith(main, comparison) }));
}

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

/** All tasks that are told by something of which more is better, where that is not one metric for all of them. */
function pooled({ tasks, runs }: Comparison): NamedScope[] {
  const mains = new Map(tasks.map(({ name, metrics: [main] }) => [name, main]));
  const maximized = [...mains].filter(([, { goal }]) => goal === "maximize");
  if (new Set(maximized.map(([, { name }]) => name)).size < 2) return [];
  const of = new Map(maximized);
  return [{ metric: MAIN, metricOf: (task) => of.get(task)!, runs: runs.filter(({ task }) => of.has(task)) }];
}

/** What is paired in a test, from how many pairs on, and of what that makes it speak. */
interface Pairing extends Pick<WilcoxonTest, "test" | "population"> {
  readonly pairsOf: (scope: Scope, a: string, b: string) => PairedScores;
  readonly least: number;
}

const overSeeds = (population: WilcoxonTest["population"]): Pairing => ({
  ...{ test: "wilcoxon", population, pairsOf: pairsOfRuns, least: 1 },
});

/** Of fewer tasks no outcome is significant. */
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

/** Runs that two methods are compared by. */
export interface Scope {
  readonly runs: readonly ComparedRun[];
  /** What a run on a task is told by. */
  readonly metricOf: (task: string) => ComparedMetric;
}

/** Paired scores of two methods, turned so that more is better. */
export interface PairedScores {
  readonly a: readonly number[];
  readonly b: readonly number[];
  /** How many of what is paired have no partner or no score. */
  readonly unmatched: number;
}

interface ScoredRun {
  readonly task: string;
  readonly score: number;
}

/** A pair for each task and seed that both methods have. */
export function pairsOfRuns(scope: Scope, a: string, b: string): PairedScores {
  const pairs = pairedRuns(scope, a, b);
  return {
    a: pairs.map(([{ score }]) => score),
    b: pairs.map(([, { score }]) => score),
    unmatched: runsOf(scope, a, b).length - 2 * pairs.length,
  };
}

/** A pair for each task: the means over the seeds that both methods have there. */
export function pairsOfTasks(scope: Scope, a: string, b: string): PairedScores {
  const byTask = [...group(pairedRuns(scope, a, b), ([{ task }]) => task).values()];
  const means = (side: 0 | 1) => byTask.map((pairs) => mean(pairs.map((pair) => pair[side].score)));
  const tasks = new Set(runsOf(scope, a, b).map(({ task }) => task));
  return { a: means(0), b: means(1), unmatched: tasks.size - byTask.length };
}

const runsOf = ({ runs }: Scope, a: string, b: string): ComparedRun[] =>
  runs.filter(({ method }) => method === a || method === b);

function pairedRuns(scope: Scope, a: string, b: string): (readonly [ScoredRun, ScoredRun])[] {
  const others = scoredRuns(scope, b);
  return [...scoredRuns(scope, a)].flatMap(([key, one]) => {
    const other = others.get(key);
    return other ? [[one, other] as const] : [];
  });
}

/** The runs of one method that have a score, by task and seed. */
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

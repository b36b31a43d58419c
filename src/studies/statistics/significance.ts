// Significance tests between methods, from the scores of finished runs.
import { own } from "../../base/index.js";
import type { ComparedMetric, ComparedRun, ComparedTask, Comparison, WilcoxonTest } from "../../base/records/index.js";
import { checkRuns, isOfRows } from "./checkComparison.js";
import { methodsWithoutFailure } from "./competing.js";
import { pairsNeeded, withHolm } from "./holm.js";
import { type PairedScores, pairsOfRuns, pairsOfTasks, type Scope, testedPairs } from "./pairedScores.js";
import { pairedEffect, wilcoxon } from "./wilcoxon.js";

type Uncorrected = Omit<WilcoxonTest, "pHolm">;

/** The `metric` of tests in which each task counts with its own main metric. */
export const MAIN = "main";

/**
 * Wilcoxon's signed-rank test of the comparison's pairs of methods that have a pair of runs. Three kinds of tests, in this order:
 * - over the seeds of several tasks: one test for each main metric, over all tasks that have it in the same kind; and where tasks differ
 *   in their main metric, a test `main` with each task's own, as the BiDoRA paper's over GLUE. It uses the metrics for which higher is
 *   better: they are shares and correlations, which have the same scale. Seeds of one task are not independent samples of tasks, so
 *   these tests hold for these tasks only. Scores of tasks that share rows are not independent: such tasks have one pair for each seed.
 * - the same over the tasks' means (Demšar 2006, §3.1), those that share rows as one task, which generalizes to tasks of this kind; where
 *   there are enough tasks for significance.
 * - over the seeds of each task, by its main metric.
 *
 * Methods without some of their runs on the tested tasks are left out. p-values are corrected by Holm within families.
 * @throws BidoraError `COMPARISON` as `checkRuns`
 */
export function significance(comparison: Comparison): WilcoxonTest[] {
  const { tasks, runs } = comparison;
  checkRuns(runs);
  const several = [...overTasksWith(comparison), ...pooled(comparison)].filter(isOfSeveralTasks);
  const testsOver = (scope: NamedScope, pairing: Pairing) =>
    testsOf(comparison, scope, pairing).map((test) => ({ ...test, ...someTasks(comparison, scope) }));
  const single = tasks.flatMap(({ name, metrics: [main] }) => {
    const scope = scopeOf(
      comparison,
      main,
      runs.filter(({ task }) => task === name),
    );
    return testsOf(comparison, scope, overSeeds("seeds of this task")).map((test) => ({ ...test, task: name }));
  });
  return withHolm<Uncorrected>([
    ...several.flatMap((scope) => testsOver(scope, overSeeds("seeds of these tasks"))),
    ...several.flatMap((scope) => testsOver(scope, OVER_TASKS)),
    ...single,
  ]);
}

type NamedScope = Scope & Pick<WilcoxonTest, "metric" | "kind">;

/** Runs that are compared by one metric. */
const scopeOf = ({ rowGroups = [] }: Comparison, metric: ComparedMetric, runs: readonly ComparedRun[]): NamedScope => ({
  metric: metric.name,
  ...(metric.kind !== undefined && { kind: metric.kind }),
  metricOf: () => metric,
  runs,
  groups: rowGroups,
});

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

/** Identifies a metric: those of different kinds are different metrics, even if they have the same name. */
const keyOf = ({ name, kind }: ComparedMetric): string => JSON.stringify([name, kind]);

/** One scope for each main metric: the runs of all tasks that have it. */
function overTasksWith(comparison: Comparison): NamedScope[] {
  const mains = [...new Map(comparison.tasks.map(({ metrics: [main] }) => [keyOf(main), main])).values()];
  return mains.map((main) => scopeOf(comparison, main, runsOfTasksWith(main, comparison)));
}

/**
 * The runs of all tasks on which any run has the metric; runs without it on these tasks count as unmatched. Tasks whose scores are of other
 * rows than the metric's are left out: scores that are only shown are not tested. So are tasks where the name means another kind.
 */
function runsOfTasksWith({ name, kind }: ComparedMetric, { tasks: compared, runs }: Comparison): ComparedRun[] {
  const isOfKind = ({ metrics }: ComparedTask) => metrics.find((metric) => metric.name === name)?.kind === kind;
  const scored = new Set(
    compared.filter((task) => isOfRows(name, task.rows) && isOfKind(task)).map((task) => task.name),
  );
  const having = runs.filter(({ task, metrics }) => scored.has(task) && own(metrics, name) !== undefined);
  const tasks = new Set(having.map(({ task }) => task));
  return runs.filter(({ task }) => tasks.has(task));
}

/** The tasks whose main metric is better when higher; none if all of these have the same one. */
function pooled({ tasks, runs, rowGroups = [] }: Comparison): NamedScope[] {
  const mains = new Map(tasks.map(({ name, metrics: [main] }) => [name, main]));
  const maximized = [...mains].filter(([, { goal }]) => goal === "maximize");
  if (new Set(maximized.map(([, main]) => keyOf(main))).size < 2) return [];
  const of = new Map(maximized);
  const metricOf = (task: string) => of.get(task)!;
  return [{ metric: MAIN, metricOf, runs: runs.filter(({ task }) => of.has(task)), groups: rowGroups }];
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

function testsOf(comparison: Comparison, scope: NamedScope, pairing: Pairing): Uncorrected[] {
  const sound = methodsWithoutFailure(comparison, tasksIn(scope));
  return testedPairs(sound, comparison.pairs).flatMap(([a, b]) => testOf(a, b, scope, pairing) ?? []);
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
  const [pairs, { unmatched, repeated, joined }, { metric, kind }] = [scores.a.length, scores, scope];
  const facts = {
    ...(kind !== undefined && { kind }),
    ...(repeated > 0 && { repeated }),
    ...(joined.length > 0 && { joined }),
  };
  return { a, b, metric, population, pairs, differing, unmatched, statistic, p, test, effect, ...facts };
}

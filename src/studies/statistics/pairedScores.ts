// The pairs of a test over runs: two methods' scores with the same seed, those of tasks that share rows joined.
import { group } from "d3-array";
import { own } from "../../base/index.js";
import {
  bareMetric,
  type ComparedMetric,
  type ComparedRun,
  type JoinedTasks,
  type MethodPair,
  type RowGroup,
  seedsName,
} from "../../base/records/index.js";
import { mean } from "./summary.js";

/** Every two of a list, in order. */
export const everyTwo = <T>(all: readonly T[]): (readonly [a: T, b: T])[] =>
  all.flatMap((a, place) => all.slice(place + 1).map((b) => [a, b] as const));

/** Those two of the methods that are to be tested, in the methods' order. @param pairs every two by default */
export const testedPairs = (methods: readonly string[], pairs?: readonly MethodPair[]): MethodPair[] =>
  everyTwo(methods).filter(([a, b]) => pairs?.some((pair) => pair.includes(a) && pair.includes(b)) ?? true);

/** The runs of a test, and the metric that it compares on each task. */
export interface Scope {
  readonly runs: readonly ComparedRun[];
  readonly metricOf: (task: string) => ComparedMetric;
  readonly groups: readonly RowGroup[];
}

/** Paired scores of two methods, negated for metrics to be minimized: more is better. */
export interface PairedScores {
  readonly a: readonly number[];
  readonly b: readonly number[];
  /** How many runs, or tasks, have no partner or no score. */
  readonly unmatched: number;
  /** How many pairs are left out since their runs are equal to those of another seed. */
  readonly repeated: number;
  readonly joined: readonly JoinedTasks[];
}

/** One pair for each seed that both methods have on a task, or on tasks that share rows: the means over these. */
export function pairsOfRuns(scope: Scope, a: string, b: string): PairedScores {
  const found = pairedRuns(scope, a, b);
  const { pairs, joined } = joinedTasks(scope, found, a, b);
  const units = [...group(pairs, ({ task, seed }) => JSON.stringify([groupOf(scope, task), seed])).values()];
  const distinct = withoutRepeatedSeeds(scope, units, a, b);
  const unmatched = runsOf(scope, a, b).length - 2 * found.length;
  return { ...meansOf(distinct), unmatched, repeated: units.length - distinct.length, joined };
}

/** The first of all pairs with the same runs: where neither method draws anything by the seed, all seeds are one run. */
function withoutRepeatedSeeds(scope: Scope, units: readonly (readonly SeedPair[])[], a: string, b: string) {
  const seen = new Set<string>();
  return units.filter((unit) => {
    const runs = runsOf(scope, a, b).filter((run) =>
      unit.some(({ task, seed }) => run.task === task && seedsName(run) === seed),
    );
    if (!runs.every(hasLoss)) return true;
    const results = textOf(runs, ({ task, method }) => [task, method]);
    return !seen.has(results) && seen.add(results);
  });
}

/** Runs that differ can have equal scores on few rows, but not the same loss. */
const hasLoss = ({ metrics }: Pick<ComparedRun, "metrics">): boolean =>
  Object.keys(metrics).some((name) => bareMetric(name) === "loss");

/** A run's results as text, by which runs of other seeds are recognized as the same; undefined if they can't be. */
export const resultsOf = (run: Pick<ComparedRun, "metrics">): string | undefined =>
  hasLoss(run) ? JSON.stringify(Object.entries(run.metrics).sort()) : undefined;

/** One pair for each task, or tasks that share rows: the means over the seeds that both methods have, then over the tasks. */
export function pairsOfTasks(scope: Scope, a: string, b: string): PairedScores {
  const found = pairedRuns(scope, a, b);
  const { pairs, joined } = joinedTasks(scope, found, a, b);
  const byTask = [...group(pairs, ({ task }) => task)].map(
    ([task, ofTask]): PairedRuns => ({ task, ...meanOf(ofTask) }),
  );
  const units = [...group(byTask, ({ task }) => groupOf(scope, task)).values()];
  const tasks = new Set(runsOf(scope, a, b).map(({ task }) => task));
  const unmatched = tasks.size - new Set(found.map(({ task }) => task)).size;
  return { ...meansOf(units), unmatched, repeated: 0, joined };
}

const meanOf = (pairs: readonly PairedRuns[]): Pick<PairedRuns, "a" | "b"> => ({
  a: mean(pairs.map((pair) => pair.a)),
  b: mean(pairs.map((pair) => pair.b)),
});

function meansOf(units: readonly (readonly PairedRuns[])[]): Pick<PairedScores, "a" | "b"> {
  const means = units.map(meanOf);
  return { a: means.map(({ a }) => a), b: means.map(({ b }) => b) };
}

const groupWith = ({ groups }: Scope, task: string): RowGroup | undefined =>
  groups.find(({ tasks }) => tasks.includes(task));

/** Identifies a task together with those that it shares rows with. */
const groupOf = (scope: Scope, task: string): string => groupWith(scope, task)?.tasks[0] ?? task;

/** The pairs without those of tasks whose runs are equal to the runs of another task in the same group, and what is joined. */
function joinedTasks(scope: Scope, pairs: readonly SeedPair[], a: string, b: string) {
  const names = [...new Set(pairs.map(({ task }) => task))];
  const all = scope.groups.map(({ tasks, share }) => {
    const tested = tasks.filter((task) => names.includes(task));
    const results = tested.map((name) =>
      textOf(
        runsOf(scope, a, b).filter(({ task }) => task === name),
        (run) => [run.method, seedsName(run)],
      ),
    );
    const repeated = tested.filter((_, i) => results.indexOf(results[i]!) < i);
    return { tasks: tested, share, ...(repeated.length > 0 && { repeated }) };
  });
  const joined = all.filter(({ tasks }) => tasks.length > 1);
  const repeated = new Set(joined.flatMap((one) => one.repeated ?? []));
  return { pairs: pairs.filter(({ task }) => !repeated.has(task)), joined };
}

/** The results of runs as text, which is the same for equal runs. */
const textOf = (runs: readonly ComparedRun[], idOf: (run: ComparedRun) => readonly unknown[]): string =>
  runs
    .map((run) => JSON.stringify([idOf(run), Object.entries(run.metrics).sort()]))
    .sort()
    .join();

const runsOf = ({ runs }: Scope, a: string, b: string): ComparedRun[] =>
  runs.filter(({ method }) => method === a || method === b);

/** The scores of two methods on a task. */
interface PairedRuns {
  readonly task: string;
  readonly a: number;
  readonly b: number;
}

type SeedPair = PairedRuns & { readonly seed: string };

function pairedRuns(scope: Scope, a: string, b: string): SeedPair[] {
  const others = scoredRuns(scope, b);
  return [...scoredRuns(scope, a)].flatMap(([key, { score, ...one }]) => {
    const other = others.get(key);
    return other ? [{ ...one, a: score, b: other.score }] : [];
  });
}

/** A method's runs that have a score, by task and seeds. */
function scoredRuns({ runs, metricOf }: Scope, method: string) {
  const found = new Map<string, Omit<SeedPair, "a" | "b"> & { readonly score: number }>();
  for (const run of runs.filter((one) => one.method === method)) {
    const { name, goal } = metricOf(run.task);
    const sign = goal === "minimize" ? -1 : 1;
    const value = own(run.metrics, name);
    if (value === undefined) continue;
    const [task, seed] = [run.task, seedsName(run)];
    found.set(JSON.stringify([task, seed]), { task, seed, score: sign * value });
  }
  return found;
}

// What departs from a comparison's frozen plan.
import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { group } from "d3-array";
import { own } from "../../../base/index.js";
import {
  type Comparison,
  curveRunsIn,
  type Frozen,
  type FrozenPlan,
  GRID,
  gridRunsIn,
  isFinished,
  type JsonObject,
  type PlannedRun,
  plannedRunOf,
  RUN_FILE,
  type RunId,
  readFrozenPlanIn,
  readPlan,
  seedsName,
} from "../../../base/records/index.js";
import { changedFound, changedSettings } from "../plan/plan.js";
import { followingKeys } from "../spec/tuning.js";
import type { CollectedRun } from "./collectRuns.js";

type Found = Pick<Comparison, "tasks" | "pairs" | "failed" | "unfinished"> & { readonly runs: readonly CollectedRun[] };

/** The hash of the plan that the folder keeps, and what departs from it; undefined if no plan was frozen. */
export function frozenIn(output: string, found: Found, margin: number | undefined): Frozen | undefined {
  const plan = readFrozenPlanIn(output);
  if (!plan) return undefined;
  const departures = [
    ...begunBefore(plan),
    ...added(plan, output, found),
    ...missing(plan, output, found),
    ...changed(plan, output, found),
    ...unlikeTests(plan, found, margin),
  ];
  return { sha256: plan.sha256, departures };
}

const listed = (names: readonly unknown[]): string => names.join(", ");
const nameOf = (run: RunId): string => `${run.task}/${run.method}/${seedsName(run)}`;

const begunBefore = ({ begun }: FrozenPlan): string[] =>
  begun.length === 0 ? [] : [`These runs had begun when the plan was frozen: ${listed(begun)}.`];

function added(plan: FrozenPlan, output: string, { runs, failed = [], unfinished = [] }: Found): string[] {
  const ids = [...runs, ...failed, ...unfinished];
  const isPlanned = ({ task, method }: Omit<RunId, "seed">) =>
    plan.methods.includes(method) && plan.tasks.some(({ name }) => name === task);
  const tried = [...gridRunsIn(output), ...curveRunsIn(output)]
    .filter(isPlanned)
    .map(({ folder }) => relative(output, folder).replaceAll("\\", "/"));
  const parts = [
    ["tasks", ids.map(({ task }) => task), plan.tasks.map(({ name }) => name)],
    ["methods", ids.map(({ method }) => method), plan.methods],
    ["seeds", ids.map(({ seed }) => seed), plan.seeds],
    ["data seeds", ids.flatMap(({ dataSeed }) => dataSeed ?? []), plan.dataSeeds ?? []],
    ["runs of tried values", tried, Object.keys(plan.runs)],
  ] as const;
  return parts.flatMap(([what, there, planned]) => {
    const more = [...new Set<unknown>(there)].filter((one) => !(planned as readonly unknown[]).includes(one));
    return more.length === 0 ? [] : [`These ${what} are not in the plan: ${listed(more)}.`];
  });
}

function missing(plan: FrozenPlan, output: string, { runs }: Found): string[] {
  const there = new Set(runs.map(nameOf));
  const isThere = (name: string) => (plannedRunOf(name) ? there.has(name) : isFinished(join(output, name)));
  const lacking = Object.keys(plan.runs).filter((name) => !isThere(name));
  return lacking.length === 0 ? [] : [`These planned runs have no results: ${listed(lacking)}.`];
}

/** Runs with other settings, data or versions, those with equal changes together. Runs that tried values are among them. */
function changed(plan: FrozenPlan, output: string, { runs }: Found): string[] {
  const now = readPlan(output);
  const made = new Map(runs.map((run) => [nameOf(run), run]));
  const found = Object.entries(plan.runs).flatMap(([name, planned]) => {
    const tuned = plannedRunOf(name) ? plan.tuned : [];
    const run = own(now, name);
    const changes = [
      ...settingsOf(plan, name, join(output, name)),
      ...(run ? [...changedFound(planned.settings, run.settings, tuned), ...dataOf(planned, run)] : []),
      ...versionsOf(plan, made.get(name)),
    ];
    return changes.length === 0 ? [] : [{ name, changes: changes.join("; ") }];
  });
  return [...group(found, ({ changes }) => changes)].map(
    ([changes, alike]) => `${listed(alike.map(({ name }) => name))}: ${changes}.`,
  );
}

/** Of a reported run, tuned settings may have the values of a planned point, and others follow from them. */
function settingsOf(plan: FrozenPlan, name: string, folder: string): string[] {
  const path = join(folder, RUN_FILE);
  const { settings } = own(plan.runs, name)!;
  if (!existsSync(path)) return [];
  const points = plannedRunOf(name) ? pointsOf(plan, name) : [];
  if (points.length === 0) return changedSettings(settings, path);
  const values = points.map((point) => ({ ...settings, ...point }));
  const ofEach = values.map((one) => changedSettings(one, path, followingKeys(plan.tuned, plan.budget)));
  return ofEach.toSorted((a, b) => a.length - b.length)[0]!;
}

/** The tuned settings of each point that is planned for a run's method on its task. */
function pointsOf({ runs, tuned }: FrozenPlan, name: string): JsonObject[] {
  const tried = Object.entries(runs).filter(([one]) => one.startsWith(`${dirname(name)}/${GRID}/`));
  return tried.map(([, { settings }]) =>
    Object.fromEntries(Object.entries(settings).filter(([key]) => tuned.includes(key))),
  );
}

function dataOf({ data }: PlannedRun, now: PlannedRun): string[] {
  // by content: the files may be elsewhere
  const digests = new Set(Object.values(data));
  const others = Object.entries(now.data).filter(([, digest]) => !digests.has(digest));
  return others.map(([file]) => `the content of ${file} is not the planned one`);
}

const versionsOf = ({ versions }: FrozenPlan, { conditions = {} }: Partial<CollectedRun> = {}): string[] =>
  (["bidora", "libtorch"] as const).flatMap((key) => {
    const made = conditions[key];
    return made === undefined || made === versions[key] ? [] : [`${key} ${made}, planned with ${versions[key]}`];
  });

function unlikeTests(plan: FrozenPlan, { tasks, pairs }: Found, margin: number | undefined): string[] {
  const metrics = tasks.flatMap(({ name, metrics: [main] }) => {
    const planned = plan.tasks.find((task) => task.name === name)?.metric;
    return planned === undefined || planned === null || planned === main.name
      ? []
      : [`The main metric on ${name} is ${main.name}, the plan has ${planned}.`];
  });
  const [now, then] = [pairsText(pairs), pairsText(plan.pairs)];
  return [
    ...metrics,
    ...(now === then ? [] : [`The tested pairs are ${now}, the plan has ${then}.`]),
    ...(margin === plan.margin ? [] : [`The margin is ${margin ?? "not set"}, the plan has ${plan.margin ?? "none"}.`]),
  ];
}

/** In any order: a pair is two methods, and pairs are a set. */
const pairsText = (pairs: FrozenPlan["pairs"]): string =>
  pairs
    ?.map((pair) => pair.toSorted().join(":"))
    .sort()
    .join(", ") ?? "every two methods";

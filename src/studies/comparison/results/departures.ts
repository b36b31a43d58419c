// What departs from a comparison's frozen plan.
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { group } from "d3-array";
import { own } from "../../../base/index.js";
import {
  type Comparison,
  type Frozen,
  type FrozenPlan,
  type PlannedRun,
  plannedRunOf,
  RUN_FILE,
  type RunId,
  readFrozenPlanIn,
  readPlan,
  seedsName,
} from "../../../base/records/index.js";
import { changedSettings } from "../plan/plan.js";
import type { CollectedRun } from "./collectRuns.js";

type Found = Pick<Comparison, "tasks" | "pairs" | "failed" | "unfinished"> & { readonly runs: readonly CollectedRun[] };

/** The hash of the plan that the folder keeps, and what departs from it; undefined if no plan was frozen. */
export function frozenIn(output: string, found: Found, margin: number | undefined): Frozen | undefined {
  const plan = readFrozenPlanIn(output);
  if (!plan) return undefined;
  const departures = [
    ...begunBefore(plan),
    ...added(plan, found),
    ...missing(plan, found),
    ...changed(plan, output, found),
    ...unlikeTests(plan, found, margin),
  ];
  return { sha256: plan.sha256, departures };
}

const listed = (names: readonly unknown[]): string => names.join(", ");
const nameOf = (run: RunId): string => `${run.task}/${run.method}/${seedsName(run)}`;

const begunBefore = ({ begun }: FrozenPlan): string[] =>
  begun.length === 0 ? [] : [`These runs had begun when the plan was frozen: ${listed(begun)}.`];

function added(plan: FrozenPlan, { runs, failed = [], unfinished = [] }: Found): string[] {
  const ids = [...runs, ...failed, ...unfinished];
  const parts = [
    ["tasks", ids.map(({ task }) => task), plan.tasks.map(({ name }) => name)],
    ["methods", ids.map(({ method }) => method), plan.methods],
    ["seeds", ids.map(({ seed }) => seed), plan.seeds],
    ["data seeds", ids.flatMap(({ dataSeed }) => dataSeed ?? []), plan.dataSeeds ?? []],
  ] as const;
  return parts.flatMap(([what, there, planned]) => {
    const more = [...new Set<unknown>(there)].filter((one) => !(planned as readonly unknown[]).includes(one));
    return more.length === 0 ? [] : [`These ${what} are not in the plan: ${listed(more)}.`];
  });
}

function missing(plan: FrozenPlan, { runs }: Found): string[] {
  const there = new Set(runs.map(nameOf));
  const lacking = Object.keys(plan.runs).filter((name) => plannedRunOf(name) && !there.has(name));
  return lacking.length === 0 ? [] : [`These planned runs have no results: ${listed(lacking)}.`];
}

/** Runs with other settings, data or versions, those with equal changes together. */
function changed(plan: FrozenPlan, output: string, { runs }: Found): string[] {
  const now = readPlan(output);
  const found = runs.flatMap((run) => {
    const planned = own(plan.runs, nameOf(run));
    if (!planned) return [];
    const changes = [
      ...settingsOf(planned, run.folder, plan.tuned),
      ...dataOf(planned, own(now, relative(output, run.folder))),
      ...versionsOf(plan, run),
    ];
    return changes.length === 0 ? [] : [{ name: nameOf(run), changes: changes.join("; ") }];
  });
  return [...group(found, ({ changes }) => changes)].map(
    ([changes, alike]) => `${listed(alike.map(({ name }) => name))}: ${changes}.`,
  );
}

function settingsOf({ settings }: PlannedRun, folder: string, tuned: readonly string[]): string[] {
  const path = join(folder, RUN_FILE);
  return existsSync(path) ? changedSettings(settings, path, tuned) : [];
}

function dataOf({ data }: PlannedRun, now: PlannedRun | undefined): string[] {
  if (!now) return [];
  // by content: the files may be elsewhere
  const digests = new Set(Object.values(data));
  const others = Object.entries(now.data).filter(([, digest]) => !digests.has(digest));
  return others.map(([file]) => `the content of ${file} is not the planned one`);
}

const versionsOf = ({ versions }: FrozenPlan, { conditions = {} }: CollectedRun): string[] =>
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

const pairsText = (pairs: FrozenPlan["pairs"]): string =>
  pairs?.map((pair) => pair.join(":")).join(", ") ?? "every two methods";

// What the methods of a comparison are, from their runs.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { group } from "d3-array";
import {
  type Competitor,
  comparedRunsIn,
  type JsonObject,
  plannedRuns,
  RUN_FILE,
} from "../../../base/records/index.js";
import { type RunKey, readRunFile, runOptions } from "../../../tasks/config/index.js";
import { isSameValue } from "../plan/grid.js";
import type { FoundRuns } from "../spec/spec.js";
import { variantNamed } from "../spec/variants.js";
import type { CollectedRun } from "./collectRuns.js";

/** What a comparison's folder has runs of, those of its plan first, in their order. */
export function foundRuns(output: string): FoundRuns {
  const runs = [...plannedRuns(output), ...comparedRunsIn(output)];
  const methods = [...group(runs, ({ method }) => method)].flatMap(([name, own]) => {
    const method = own.map(({ folder }) => methodOf(folder)).find((method) => method !== undefined);
    return method === undefined && !variantNamed(name) ? [] : [{ name, method: method ?? name, settings: {} }];
  });
  return { tasks: [...new Set(runs.map(({ task }) => task))], methods };
}

/** The method in a run's file; undefined for a run that has none yet. */
function methodOf(folder: string): string | undefined {
  const path = join(folder, RUN_FILE);
  return existsSync(path) ? (readRunFile(path).method ?? runOptions.method.default) : undefined;
}

/** Settings that say what a run is of or where it stands, not what its method is. */
const NOT_OF_METHOD: ReadonlySet<string> = new Set<RunKey>([
  ...(["method", "model", "revision", "task", "data", "train", "validation", "test", "testSplit"] as const),
  ...([
    "textColumns",
    "labelColumn",
    "positiveLabel",
    "seed",
    "dataSeed",
    "threads",
    "saveEvery",
    "keepCheckpoints",
  ] as const),
]);

/** The methods in this order, each with the settings that all of its runs were given alike. */
export function competitorsOf(methods: readonly string[], runs: readonly CollectedRun[]): Competitor[] {
  const byName = group(runs, ({ method }) => method);
  const made = methods.flatMap((name) => {
    const own = (byName.get(name) ?? []).flatMap(({ task, start }) => (start ? [{ task, start }] : []));
    const given = own.map(({ task, start }) => ({ task, settings: givenSettings(start) }));
    return own.length === 0 ? [] : [{ name, method: String(own[0]!.start.settings.method), given }];
  });
  return made.map(({ name, method, given }) => {
    const all = Object.assign({}, ...given.map(({ settings }) => settings)) as JsonObject;
    const settings = Object.fromEntries(Object.entries(all).filter(([key]) => isCommon(key, given)));
    const others = made.filter((other) => other.name !== name);
    const isOfTasks = (key: string) =>
      others.length > 0 && others.every((other) => !isCommon(key, other.given) && isAlike(key, given, other.given));
    const byTask = Object.keys(all).filter((key) => !isCommon(key, given) && !isOfTasks(key));
    return { name, method, settings, ...(byTask.length > 0 && { byTask }) };
  });
}

type Given = readonly { readonly task: string; readonly settings: JsonObject }[];

/** Whether all runs of a method were given the same value. */
const isCommon = (key: string, runs: Given): boolean =>
  runs.every(({ settings }) => isSameValue(runs[0]!.settings[key], settings[key]));

/** Whether the runs of two methods on each task were given the same value. */
const isAlike = (key: string, some: Given, others: Given): boolean =>
  some.every(({ task, settings }) =>
    others.every((other) => other.task !== task || isSameValue(settings[key], other.settings[key])),
  );

/** The settings of a run that have an effect and were given by the comparison, so not its defaults. */
const givenSettings = ({ settings, sources = {}, idle = [] }: NonNullable<CollectedRun["start"]>): JsonObject =>
  Object.fromEntries(
    Object.entries(settings).filter(
      ([key]) => ["flag", "file"].includes(sources[key] ?? "") && !idle.includes(key) && !NOT_OF_METHOD.has(key),
    ),
  );

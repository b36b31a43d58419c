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
  ...(["textColumns", "labelColumn", "seed", "threads", "saveEvery", "keepCheckpoints"] as const),
]);

/** The methods in this order, each with the settings that all of its runs were given alike. */
export function competitorsOf(methods: readonly string[], runs: readonly CollectedRun[]): Competitor[] {
  const byName = group(runs, ({ method }) => method);
  return methods.flatMap((name) => {
    const own = (byName.get(name) ?? []).flatMap(({ start }) => start ?? []);
    const given = own.map(givenSettings);
    const [first] = given;
    if (!first) return [];
    const all = Object.assign({}, ...given) as JsonObject;
    const isCommon = (key: string) => given.every((one) => isSameValue(first[key], one[key]));
    const settings = Object.fromEntries(Object.entries(all).filter(([key]) => isCommon(key)));
    const byTask = Object.keys(all).filter((key) => !isCommon(key));
    const method = String(own[0]!.settings.method);
    return { name, method, settings, ...(byTask.length > 0 && { byTask }) };
  });
}

/** The settings of a run that have an effect and were given by the comparison, so not its defaults. */
const givenSettings = ({ settings, sources = {}, idle = [] }: NonNullable<CollectedRun["start"]>): JsonObject =>
  Object.fromEntries(
    Object.entries(settings).filter(
      ([key]) => ["flag", "file"].includes(sources[key] ?? "") && !idle.includes(key) && !NOT_OF_METHOD.has(key),
    ),
  );

// Whether runs that are there are those that are asked for, and made under equal conditions.
import { existsSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { BidoraError, own, statOf } from "../../../base/index.js";
import {
  CONDITIONS,
  contentsOf,
  FROZEN,
  hasStepCosts,
  isRunFolder,
  type JsonObject,
  type JsonValue,
  PLAN,
  type PlannedRun,
  RUN_FILE,
  type RunConditions,
  type RunId,
  readPlan,
  type StartEvent,
  sha256OfFile,
  writePlan,
} from "../../../base/records/index.js";
import { type RunKey, type RunSettings, readRunFile, resolveRun } from "../../../tasks/config/index.js";
import { computeDtype, resolveDevice } from "../../../torch/index.js";
import { versions } from "../../../training/run/index.js";
import { byPair } from "../../statistics/competing.js";
import type { LauncherName } from "../jobs/launchers.js";
import type { Cell } from "./cells.js";
import { type Condition, known, sharedBy } from "./conditions.js";
import { isSameValue } from "./grid.js";

/** Settings that may differ between two calls for the same run. */
const MAY_DIFFER: ReadonlySet<string> = new Set([
  ...(["output", "device", "threads", "saveEvery", "keepCheckpoints", "evalOnStart"] as const satisfies RunKey[]),
]);

/** @throws BidoraError `OUTPUT_IN_USE` for a folder with other contents than a comparison */
export function checkComparisonFolder(folder: string): void {
  const isOwn =
    !existsSync(folder) || [PLAN, FROZEN].some((name) => existsSync(join(folder, name))) || hasStepCosts(folder);
  if (isOwn || contentsOf(folder).length === 0) return;
  throw new BidoraError(
    "OUTPUT_IN_USE",
    `--output ${folder} is not empty and has no ${PLAN}, so it is not the folder of a comparison: name another folder.`,
  );
}

/** Saves the settings of the cells, once they are checked. @throws BidoraError `COMPARISON` as `checkStarted` */
export async function savePlan(folder: string, cells: readonly Cell[]): Promise<void> {
  writePlan(folder, { ...readPlan(folder), ...(await checkStarted(folder, cells)) });
}

/**
 * Checks runs that have already started: they must have been planned with the same settings, on the same rows and model, and their
 * `run.yaml` must still have these settings. Otherwise the table would not describe the runs.
 * @param tried settings that the grid chooses, whose choice may have changed
 * @returns the settings and data of each cell
 * @throws BidoraError `COMPARISON` naming the run and the differences
 */
export async function checkStarted(
  folder: string,
  cells: readonly Cell[],
  tried: readonly string[] = [],
): Promise<Record<string, PlannedRun>> {
  const known = readPlan(folder);
  const digests = new Map<string, Promise<string>>();
  const found: Record<string, PlannedRun> = {};
  for (const cell of cells) {
    const name = relative(folder, cell.folder);
    const now = { settings: askedFor(cell.settings), data: await dataOf(cell.settings, digests) };
    found[name] = now;
    if (!isRunFolder(cell.folder)) continue;
    const before = begunAs(cell.folder, known, name);
    refuseChanged(cell.folder, before, now, tried);
    refuseEdited(cell.folder, before);
  }
  return found;
}

/**
 * Refuses to summarize runs that are not the planned ones. Without a plan, any run is accepted.
 * @throws BidoraError `COMPARISON` naming the run and the difference
 */
export function refuseForeignRuns(folder: string, runs: readonly Pick<Cell, "folder">[]): void {
  if (!existsSync(join(folder, PLAN))) return;
  const known = readPlan(folder);
  for (const run of runs)
    if (isRunFolder(run.folder)) refuseEdited(run.folder, begunAs(run.folder, known, relative(folder, run.folder)));
}

/** The plan of a run. @throws BidoraError `COMPARISON` for a run that is not in the plan */
function begunAs(folder: string, known: Readonly<Record<string, PlannedRun>>, name: string): PlannedRun {
  const before = own(known, name);
  if (!before) throw foreignRun(folder, "this comparison did not start it");
  return before;
}

const askedFor = (settings: RunSettings): JsonObject =>
  JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(settings).filter(([key]) => !MAY_DIFFER.has(key)))));

function refuseChanged(folder: string, before: PlannedRun, now: PlannedRun, tried: readonly string[]): void {
  const differing = (a: JsonObject, b: JsonObject) =>
    [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => !isSameValue(a[key], b[key]));
  const settings = differing(before.settings, now.settings)
    .filter((key) => !tried.includes(key))
    .map((key) => `${key} ${shown(before.settings[key])}, now ${shown(now.settings[key])}`);
  const data = differing(before.data, now.data).map((file) => `the content of ${file}`);
  const changed = [...settings, ...data];
  if (changed.length === 0) return;
  throw new BidoraError(
    "COMPARISON",
    `${folder} was started with other settings or data (${changed.join("; ")}): name another --output, or remove that folder.`,
  );
}

/** Settings that are derived from the model and the data where they are not asked for. */
const FOUND: ReadonlySet<string> = new Set<keyof RunSettings>([
  ...(["task", "textColumns", "labelColumn", "positiveLabel", "maxLength", "dtype", "targetModules"] as const),
]);

/** Refuses a run whose `run.yaml` differs from the plan. */
function refuseEdited(folder: string, { settings }: PlannedRun): void {
  const path = join(folder, RUN_FILE);
  // A run that ended before its first step has none.
  const [change] = existsSync(path) ? changedSettings(settings, path) : [];
  if (change !== undefined) throw foreignRun(folder, `its ${RUN_FILE} has ${change}`);
}

/** The settings of a `run.yaml` that differ from the planned ones. @param tuned settings whose values were not planned */
export function changedSettings(settings: JsonObject, path: string, tuned: readonly string[] = []): string[] {
  const [asked, made] = [resolveRun(settings as RunSettings), readRunFile(path)];
  const keys = Object.keys({ ...settings, ...made }) as (keyof RunSettings)[];
  return keys
    .filter((key) => !MAY_DIFFER.has(key) && !FOUND.has(key) && !tuned.includes(key))
    .filter((key) => !isSameValue(asked[key], made[key]))
    .map((key) => `${key} ${shown(made[key])}, the plan has ${shown(asked[key])}`);
}

/** The settings among those derived that were asked for otherwise than planned. @param tuned as for `changedSettings` */
export const changedFound = (planned: JsonObject, now: JsonObject, tuned: readonly string[]): string[] =>
  [...FOUND]
    .filter((key) => !tuned.includes(key) && !isSameValue(planned[key], now[key]))
    .map((key) => `${key} ${shown(now[key])}, the plan has ${shown(planned[key])}`);

const foreignRun = (folder: string, why: string): BidoraError =>
  new BidoraError(
    "COMPARISON",
    `${folder} is not a run of this comparison (${why}): move it away, or name another --output.`,
  );

const shown = (value: unknown): string => (value === undefined ? "not set" : JSON.stringify(value));

/** The local files of a run's rows and model, with their checksums. */
async function dataOf(
  { model, data, train, upperTrain, validation, test }: RunSettings,
  digests: Map<string, Promise<string>>,
): Promise<JsonObject> {
  const files = [model, data, train, upperTrain, validation, test]
    .filter((path) => path !== undefined)
    .flatMap(filesOf);
  const found: Record<string, string> = {};
  for (const file of files) {
    const digest = digests.get(file) ?? sha256OfFile(file);
    digests.set(file, digest);
    found[file] = await digest;
  }
  return found;
}

/** The files below a path. Links are followed: a model folder in the Hub's cache has nothing else. */
function filesOf(path: string): string[] {
  if (!statOf(path)?.isDirectory()) return statOf(path) ? [path] : [];
  const inside = readdirSync(path, { encoding: "utf8", recursive: true }).map((name) => join(path, name));
  return inside.filter((file) => statOf(file)?.isFile()).sort();
}

interface ConditionedRun extends RunId {
  readonly folder: string;
  readonly conditions?: RunConditions;
  /** The settings of a run that has been started. */
  readonly start?: Pick<StartEvent, "settings" | "idle">;
}

/** A run that a comparison will start, with the conditions that are known before. A job's machine can choose another dtype. */
export function runToStart(
  { task, variant, seed, dataSeed, folder, settings }: Cell,
  launcher: LauncherName,
): ConditionedRun {
  const { batchSize, gradientAccumulation, dtype, baseDtype, device } = resolveRun(settings);
  const computed = launcher === "local" ? computeDtype(dtype, resolveDevice(device)) : undefined;
  const { bidora, libtorch } = versions();
  const conditions = known({
    ...{ processes: 1, rowsPerStep: batchSize * gradientAccumulation, bidora, libtorch },
    ...{ dtype: computed, baseDtype: baseDtype ?? computed, magnitudeAxis: undefined, processor: undefined },
  });
  return { task, method: variant.name, seed, ...(dataSeed !== undefined && { dataSeed }), folder, conditions };
}

/**
 * Refuses runs of one method on one task that differ in a condition or a setting other than their seeds: their mean and deviation would be
 * of two methods. Those of other methods may differ, and are shown; so are processors and the builds of one version.
 * @throws BidoraError `COMPARISON` naming two runs and their values
 */
export function refuseMixed(runs: readonly ConditionedRun[]): void {
  refuseMixedSeeds(runs);
  for (const alike of byPair(runs)) {
    for (const key of Object.keys(CONDITIONS) as Condition[])
      refuseDifferent(alike, `under different conditions (${CONDITIONS[key]}`, ({ conditions }) =>
        sharedBy(key, conditions),
      );
    const settings = new Set(alike.flatMap(({ start }) => Object.keys(start?.settings ?? {})));
    for (const key of settings)
      if (!MAY_DIFFER.has(key) && !SEEDS.has(key))
        refuseDifferent(alike, `with different settings (${key}`, ({ start }) =>
          start?.idle?.includes(key) ? undefined : start?.settings[key],
        );
  }
}

/** A run without a data seed has its seed as such, so that two folders could hold one run. */
function refuseMixedSeeds(runs: readonly ConditionedRun[]): void {
  const one = runs.find(({ dataSeed }) => dataSeed !== undefined);
  const other = runs.find(({ dataSeed }) => dataSeed === undefined);
  if (!one || !other) return;
  throw new BidoraError(
    "COMPARISON",
    `${one.folder} has a seed of its own for the rows (--data-seeds) and ${other.folder} has none: keep them in two comparisons, each with its own --output.`,
  );
}

const SEEDS: ReadonlySet<string> = new Set(["seed", "dataSeed"]);

/** @param readOf a run's value; undefined if it is unknown */
function refuseDifferent(
  runs: readonly ConditionedRun[],
  how: string,
  readOf: (run: ConditionedRun) => JsonValue | undefined,
): void {
  const [first, ...others] = runs.filter((run) => readOf(run) !== undefined);
  const other = others.find((run) => !isSameValue(readOf(run), readOf(first!)));
  if (!first || !other) return;
  const text = (run: ConditionedRun) => {
    const value = readOf(run);
    return typeof value === "string" ? value : JSON.stringify(value);
  };
  throw new BidoraError(
    "COMPARISON",
    `${first.folder} and ${other.folder} are runs of ${first.method} ${how}: ${text(first)} and ${text(other)}): remove the folder of one of them and make its run again like the other, or keep them in two comparisons.`,
  );
}

// The folder of a comparison: its runs in TASK/METHOD/seed-N or seed-N-data-D, and the files about them next to comparison.json.
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { BidoraError } from "../errors.js";
import { writeFileAtomic } from "./atomic.js";
import { type ComparisonFile, type RunId, seedsName, seedsNamed, seedsText } from "./comparison.js";
import { COMPARISON, readComparisonFile } from "./comparisonFile.js";
import { isWilcoxon, type JoinedTasks, type SignificanceTest } from "./comparisonTests.js";
import { writerOf } from "./folderLock.js";
import { type JsonObject, parsedJson, readOptionalJsonObject } from "./json.js";
import { REPORT } from "./names.js";
import { removeOwnFiles } from "./outputFolder.js";
import { isRunFolder } from "./runFolder.js";
import { type RunLog, readRunLog } from "./runLog.js";

/** The settings that each run was requested with. This file marks a folder as a comparison of bidora. */
export const PLAN = "comparison-plan.json";
/** The measured seconds of steps, so that a budget of seconds stays the same number of steps. */
const STEP_SECONDS = "comparison-steps.json";
/** Why runs failed whose own log does not say so, because they failed before their first step or were killed. */
const FAILURES = "comparison-failed.json";
/** The copy of the frozen plan. */
export const FROZEN = "comparison-frozen.json";
/** The tables of a comparison. */
export const TABLES = { markdown: "comparison.md", latex: "comparison.tex" } as const;

/** A run with its folder. */
interface PlacedRun extends RunId {
  readonly folder: string;
}

export const comparedRunFolder = (folder: string, { task, method, ...seeds }: RunId): string =>
  join(folder, task, method, seedsName(seeds));

/** The folder of the points that were tried for a method. */
export const GRID = "grid";
/** The folder of a method's runs with each value of the curve's setting. */
export const CURVE = "curve";

/** The runs whose folders exist, started or not. Runs of a grid are not among them. */
export function comparedRunsIn(folder: string): PlacedRun[] {
  return methodsIn(folder).flatMap(({ folder: above, ...run }) =>
    foldersIn(above).flatMap((name) => {
      const seeds = seedsNamed(name);
      return seeds ? { ...run, ...seeds, folder: join(above, name) } : [];
    }),
  );
}

/** The runs that tried points and whose folders exist, started or not, each with the name of its point. */
export function gridRunsIn(folder: string): (Omit<PlacedRun, "seed"> & { readonly name: string })[] {
  return methodsIn(folder).flatMap(({ folder: above, ...run }) =>
    foldersIn(join(above, GRID)).map((name) => ({ ...run, name, folder: join(above, GRID, name) })),
  );
}

/** A run of the curve, with the name of its point. */
interface CurvePlace extends PlacedRun {
  readonly name: string;
}

const OF_CURVE = new RegExp(String.raw`^([^/\\]+)[/\\]([^/\\]+)[/\\]${CURVE}[/\\]([^/\\]+)[/\\](seed-[^/\\]+)$`);

/** The runs of the curve that were planned or whose folders exist. */
export function curveRunsIn(folder: string): CurvePlace[] {
  const there = methodsIn(folder).flatMap(({ folder: above }) =>
    foldersIn(join(above, CURVE)).flatMap((name) =>
      foldersIn(join(above, CURVE, name)).map((seed) => relative(folder, join(above, CURVE, name, seed))),
    ),
  );
  return [...new Set([...Object.keys(readPlan(folder)), ...there])].flatMap((path) => {
    const [, task, method, name, last = ""] = OF_CURVE.exec(path) ?? [];
    const seeds = seedsNamed(last);
    if (task === undefined || method === undefined || name === undefined || seeds === undefined) return [];
    return { task, method, name, ...seeds, folder: join(folder, path) };
  });
}

const methodsIn = (folder: string): Omit<PlacedRun, "seed">[] =>
  foldersIn(folder).flatMap((task) =>
    foldersIn(join(folder, task)).map((method) => ({ task, method, folder: join(folder, task, method) })),
  );

function foldersIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return entries.map(({ name }) => name).sort();
}

/** What a run was requested with. */
export interface PlannedRun {
  readonly settings: JsonObject;
  /** The checksums of its data files and its model's files. */
  readonly data: JsonObject;
}

/** A record by the path of a run's folder within the comparison. */
type ByRun<T> = Readonly<Record<string, T>>;

const readByRun = <T>(folder: string, file: string): ByRun<T> =>
  readOptionalJsonObject(join(folder, file)) as unknown as ByRun<T>;

const writeByRun = (folder: string, file: string, records: ByRun<object>): void =>
  writeFileAtomic(join(folder, file), `${JSON.stringify(records, undefined, 1)}\n`);

export const readPlan = (folder: string): ByRun<PlannedRun> => readByRun(folder, PLAN);

export const writePlan = (folder: string, plan: ByRun<PlannedRun>): void => writeByRun(folder, PLAN, plan);

const COUNTED = /^([^/\\]+)[/\\]([^/\\]+)[/\\](seed-[^/\\]+)$/;

/** The run whose folder in a comparison has this name; undefined for those of a grid. */
export function plannedRunOf(name: string): RunId | undefined {
  const [, task, method, last = ""] = COUNTED.exec(name) ?? [];
  const seeds = seedsNamed(last);
  if (task === undefined || method === undefined || seeds === undefined) return undefined;
  return { task, method, ...seeds };
}

/** Every run that was ever planned, started or not. Runs of a grid are not among them. */
export function plannedRuns(folder: string): PlacedRun[] {
  const runs = Object.keys(readPlan(folder)).flatMap((name) => plannedRunOf(name) ?? []);
  return runs.map((run) => ({ ...run, folder: comparedRunFolder(folder, run) }));
}

/** The seconds that a step of each phase takes. */
export interface StepCosts {
  readonly train: number;
  readonly search: number;
  readonly retrain: number;
}

/** The seconds of steps by the settings they were measured with, as JSON. */
export const readStepCosts = (folder: string): ByRun<StepCosts> => readByRun(folder, STEP_SECONDS);

export const writeStepCosts = (folder: string, costs: ByRun<StepCosts>): void =>
  writeByRun(folder, STEP_SECONDS, costs);

/** Whether a folder holds measurements for a comparison that has not started. */
export const hasStepCosts = (folder: string): boolean => existsSync(join(folder, STEP_SECONDS));

/** Why a run failed, as its process reported it. */
export interface KnownFailure {
  readonly reason: string;
  readonly code?: string;
  readonly step?: number;
  /** The time of the failure. */
  readonly time: string;
}

export const readFailures = (folder: string): ByRun<KnownFailure> => readByRun(folder, FAILURES);

/** Records why a run failed; undefined removes the record. */
export function recordFailure(folder: string, runFolder: string, failure: KnownFailure | undefined): void {
  const { [relative(folder, runFolder)]: known, ...others } = readFailures(folder);
  if (failure === undefined && known === undefined) return;
  writeByRun(folder, FAILURES, failure ? { ...others, [relative(folder, runFolder)]: failure } : others);
}

/**
 * Removes what a comparison wrote into its folder, and leaves an empty plan. Other files stay.
 * @throws BidoraError `LOCKED` if another process is writing one of its runs; nothing is removed then
 */
export function clearComparison(folder: string): void {
  const placed = [...comparedRunsIn(folder), ...gridRunsIn(folder), ...curveRunsIn(folder)].map((run) => run.folder);
  const runs = [...placed, ...(earlierQuickstartRuns(folder) ?? [])].filter(isRunFolder);
  for (const run of runs) {
    const writer = writerOf(run);
    if (writer)
      throw new BidoraError(
        "LOCKED",
        `${run} can't be replaced, because process ${writer.pid} is still writing it: wait for its end, or stop it.`,
      );
  }
  for (const run of runs) {
    removeOwnFiles(run);
    for (const ofJob of [".sh", ".log"]) rmSync(run + ofJob, { force: true });
    removeEmpty(run, folder);
  }
  for (const name of [COMPARISON, STEP_SECONDS, FAILURES, FROZEN, REPORT, ...Object.values(TABLES)])
    rmSync(join(folder, name), { force: true });
  writePlan(folder, {});
}

/** Removes empty folders, from one up to the folder of the comparison. */
function removeEmpty(folder: string, top: string): void {
  if (folder === top || readdirSync(folder).length > 0) return;
  rmdirSync(folder);
  removeEmpty(dirname(folder), top);
}

/** A comparison with the logs of those of its runs whose folders exist. */
export interface ComparisonLog extends Omit<ComparisonFile, "runs"> {
  /** Name of the comparison's folder. */
  readonly name: string;
  readonly runs: readonly (ComparisonFile["runs"][number] & { readonly log: RunLog | undefined })[];
}

/** Whether a folder is a comparison that can be reported. */
export const isComparison = (folder: string): boolean => existsSync(join(folder, COMPARISON));

/** @throws BidoraError `COMPARISON` for a file that can't be read or has another form */
export async function readComparison(folder: string): Promise<ComparisonLog> {
  return withLogs(folder, readComparisonFile(folder));
}

/** A comparison with the logs of its runs. Tasks get the names that the user gave them. */
export async function withLogs(folder: string, found: ComparisonFile): Promise<ComparisonLog> {
  const titles = new Map(found.tasks.map(({ name, title = name }) => [name, title]));
  const titled = <T extends { readonly task?: string }>(one: T): T =>
    one.task === undefined ? one : { ...one, task: titles.get(one.task) ?? one.task };
  const allTitled = (tasks: readonly string[]) => tasks.map((task) => titles.get(task) ?? task);
  const titledTest = (test: SignificanceTest): SignificanceTest =>
    !isWilcoxon(test)
      ? titled(test)
      : titled({
          ...test,
          ...(test.tasks && { tasks: allTitled(test.tasks) }),
          ...(test.joined && { joined: test.joined.map(titledGroup) }),
        });
  const titledGroup = ({ tasks, repeated, ...rest }: JoinedTasks): JoinedTasks => ({
    ...rest,
    tasks: allTitled(tasks),
    ...(repeated && { repeated: allTitled(repeated) }),
  });
  const runs = found.runs.map(async (one) => {
    const [shown, log] = [titled(one), await logOf(folder, one)];
    return { ...shown, log: log && { ...log, name: `${shown.task} ${shown.method} ${seedsText(shown)}` } };
  });
  return {
    ...found,
    name: basename(resolve(folder)),
    tasks: found.tasks.map(({ title, ...task }) => ({ ...task, name: title ?? task.name })),
    failed: found.failed.map(titled),
    unfinished: found.unfinished.map(titled),
    tuning: (found.tuning ?? []).map(titled),
    ...(found.curve && { curve: found.curve.map(titled) }),
    ...(found.curves && { curves: found.curves.map(titled) }),
    ...(found.baselines && { baselines: found.baselines.map(titled) }),
    ...(found.variance && { variance: found.variance.map(titled) }),
    tests: found.tests.map(titledTest),
    ...(found.rowGroups && { rowGroups: found.rowGroups.map(titledGroup) }),
    reached: found.reached.map(titled),
    runs: await Promise.all(runs),
  };
}

/** A run whose log is gone still has its figures in the comparison's file. */
function logOf(folder: string, run: RunId): Promise<RunLog | undefined> {
  // Names come from a file: none may lead out of the folder.
  if ([run.task, run.method].some((part) => /[/\\]/.test(part) || part === "..")) return Promise.resolve(undefined);
  return readRunLog(comparedRunFolder(folder, run)).catch(() => undefined);
}

/** The run folders of a quickstart of version 0.1.0, whose comparison.json is a list of figures by method; undefined for others. */
export function earlierQuickstartRuns(folder: string): string[] | undefined {
  const path = join(folder, COMPARISON);
  const figures = existsSync(path) ? parsedJson(readFileSync(path, "utf8")) : undefined;
  if (!Array.isArray(figures)) return undefined;
  const methods = figures.map((one: { readonly method?: unknown } | null) => one?.method);
  const runs = foldersIn(folder).filter((name) => methods.includes(name));
  if (runs.length === 0) return undefined;
  return runs.sort((a, b) => methods.indexOf(a) - methods.indexOf(b)).map((name) => join(folder, name));
}

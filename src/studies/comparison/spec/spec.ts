// What a comparison is asked to do, from its flags and its file.
import { didYouMean, firstRepeated, UsageError } from "../../../base/index.js";
import { checkSettings, filled, readSettingsFile } from "../../../base/settings/index.js";
import { type RunKey, type RunSettings, runOptions } from "../../../tasks/config/index.js";
import type { LauncherName } from "../jobs/launchers.js";
import { type Budget, readBudget } from "../plan/budget.js";
import { gridPoints } from "../plan/grid.js";
import { type ComparisonSettings, compareOptions, comparisonOptions } from "./compareOptions.js";
import { type Variant, variantsOf } from "./variants.js";

export interface SpecTask {
  readonly name: string;
  /** The name that the user gave it. */
  readonly title: string;
  readonly settings: RunSettings;
}

export interface Spec {
  readonly variants: readonly Variant[];
  readonly seeds: readonly number[];
  /** Seeds of the rows, each of which is combined with each seed; none if one seed draws everything. */
  readonly dataSeeds: readonly number[];
  readonly tasks: readonly SpecTask[];
  /** Run settings from flags. */
  readonly byFlag: RunSettings;
  readonly common: RunSettings;
  /** Settings that must have an effect in at least one run. A file's settings may be for methods that this call leaves out. */
  readonly mustApply: RunSettings;
  /** Settings of one variant, or of all variants of a method. */
  readonly perMethod: ReadonlyMap<string, RunSettings>;
  readonly grid: readonly RunSettings[];
  readonly budget: Budget | undefined;
  readonly reach: number | undefined;
  readonly margin: number | undefined;
  /** The file of the frozen plan. */
  readonly freeze: string | undefined;
  readonly jobs: number;
  readonly launcher: LauncherName;
  /** Whether to serve a live page, or on which port. */
  readonly dashboard: boolean | number;
  readonly output: string;
  /** The folder of runs that show how scores vary; undefined for the output. */
  readonly pilot: string | undefined;
  /** What the user named; the rest is left to the defaults. */
  readonly named: AskedRuns;
}

/**
 * Combines flags and file. Flags take precedence, even over the file's settings of single tasks and methods.
 * @param found tasks with runs to summarize, if flags and file need not name any
 * @throws UsageError for an unknown setting or method, or a task that is not in the file
 */
export function readSpec(flags: ComparisonSettings, file: string | undefined, found?: readonly string[]): Spec {
  const fromFile = file === undefined ? {} : readSettingsFile(file, compareOptions);
  const { tasks: listed, ...rest } = fromFile;
  const { tasks: wanted, ...given } = flags;
  const settings = filled(compareOptions, { ...rest, ...given });
  const {
    methods,
    seeds,
    dataSeeds = [],
    grid,
    budget,
    reach,
    margin,
    launcher,
    dashboard,
    output,
    pilot,
    freeze,
  } = settings;
  refuseRepeated("--seeds", seeds);
  refuseRepeated("--data-seeds", dataSeeds);
  const byFlag = runSettingsIn(given);
  const common = { ...runSettingsIn(rest), ...byFlag };
  const isOpen = found !== undefined && listed === undefined && common.task === undefined;
  const ofTasks = isOpen ? found.map((name) => ({ ...named(name), settings: {} })) : tasksOf(listed, common, byFlag);
  return {
    variants: variantsOf(methods),
    seeds,
    dataSeeds,
    tasks: selected(ofTasks, wanted),
    byFlag,
    common,
    mustApply: given.methods ? byFlag : Object.assign({}, common, ...ofTasks.map((task) => task.settings)),
    perMethod: perMethodOf(settings.perMethod ?? {}, byFlag),
    grid: gridPoints(grid),
    budget: budget === undefined ? undefined : readBudget(budget),
    reach,
    margin,
    jobs: settings.jobs ?? (launcher === "local" ? 1 : MANY),
    launcher,
    dashboard,
    output,
    pilot,
    freeze,
    named: {
      methods: given.methods ?? rest.methods,
      seeds: given.seeds ?? rest.seeds,
      dataSeeds: given.dataSeeds ?? rest.dataSeeds,
    },
  };
}

function refuseRepeated(flag: string, seeds: readonly number[]): void {
  const repeated = firstRepeated(seeds.map(String));
  if (repeated !== undefined) throw new UsageError(`${flag} names ${repeated} twice: name each seed once.`);
}

/** Each seed with each data seed; the seeds alone if there are none of these. */
export const crossed = (
  seeds: readonly number[],
  dataSeeds: readonly number[],
): { readonly seed: number; readonly dataSeed?: number }[] =>
  seeds.flatMap((seed) => (dataSeeds.length === 0 ? { seed } : dataSeeds.map((dataSeed) => ({ seed, dataSeed }))));

/** Jobs in a scheduler's queue at the same time. */
const MANY = 1000;

export interface RequestedResults {
  /** Names, in the order of rows and columns. */
  readonly tasks: readonly string[];
  /** The names that the user gave the tasks, where they differ from the names of their folders. */
  readonly titles?: Readonly<Record<string, string>>;
  readonly methods: readonly string[];
  /** A score of the main metric; the cost to reach it is reported. */
  readonly reach: number | undefined;
  /** Within which differences of the main metric methods are equivalent. */
  readonly margin?: number | undefined;
}

/** The results that a comparison should have, and the conditions to report with them. */
export function requestedResults(spec: Spec): RequestedResults & { readonly conditions: object } {
  const { tasks, variants, reach, margin, budget, jobs, grid, seeds, dataSeeds } = spec;
  return {
    tasks: tasks.map(({ name }) => name),
    titles: Object.fromEntries(tasks.flatMap(({ name, title }) => (title === name ? [] : [[name, title]]))),
    methods: variants.map(({ name }) => name),
    reach,
    margin,
    conditions: {
      ...(budget && { budget }),
      ...{ jobs, seeds },
      ...(dataSeeds.length > 0 && { dataSeeds }),
      ...(grid.length > 0 && { grid }),
      ...(margin !== undefined && { margin }),
    },
  };
}

/** What the user asked for by name; undefined for what was left to the defaults. */
export interface AskedRuns {
  readonly tasks?: readonly string[] | undefined;
  readonly methods?: readonly string[] | undefined;
  readonly seeds?: readonly number[] | undefined;
  readonly dataSeeds?: readonly number[] | undefined;
}

/** The runs of a comparison. */
export const askedRuns = ({ tasks, variants, seeds, dataSeeds }: Spec): AskedRuns => ({
  tasks: tasks.map(({ name }) => name),
  methods: variants.map(({ name }) => name),
  seeds,
  ...(dataSeeds.length > 0 && { dataSeeds }),
});

/** Settings that are the comparison's, not the runs'. */
const OWN: ReadonlySet<string> = new Set([
  ...Object.keys(comparisonOptions),
  ...["output", "dashboard", "json", "quiet", "debug"],
]);

const runSettingsIn = (given: object): RunSettings =>
  Object.fromEntries(Object.entries(given).filter(([key, value]) => !OWN.has(key) && value !== undefined));

function tasksOf(listed: ComparisonSettings["tasks"], common: RunSettings, byFlag: RunSettings): SpecTask[] {
  if (listed === undefined) {
    const { task } = common;
    if (task === undefined)
      throw new UsageError("--task is missing: give it in the file or as a flag, or the file a list of tasks.");
    return [{ ...named(task), settings: {} }];
  }
  const tasks = listed.map((entry, i) => taskOf(entry, i, byFlag));
  const twice = firstRepeated(tasks.map(({ name }) => name));
  if (twice !== undefined) throw new UsageError(`The list of tasks names ${twice} twice: give each a name of its own.`);
  return tasks;
}

function taskOf(entry: unknown, index: number, byFlag: RunSettings): SpecTask {
  const where = `task ${index + 1} of the list`;
  if (typeof entry === "string") return { ...named(entry), settings: checked({ task: entry }, where, taskKeys) };
  const { name, ...settings } = entry as { readonly name?: unknown } & RunSettings;
  const own = checked(settings, where, taskKeys);
  const title = name ?? own.task;
  if (typeof title !== "string" || title === "") throw new UsageError(`A name is missing in ${where}.`);
  return { ...named(title), settings: { ...own, ...byFlag } };
}

/** Settings of the rows, which are the same for all methods of a task. */
const ROWS: readonly string[] = ["task", "data", "train", "validation", "test", "testSplit"] satisfies RunKey[];

const isShared = (key: string): boolean => OWN.has(key) || !Object.hasOwn(compareOptions, key);
const runKeys = Object.keys(runOptions) as RunKey[];

/** The settings that a task of the list can have. */
export const taskKeys: readonly RunKey[] = runKeys.filter((key) => !isShared(key));
/** The settings that a method can have for itself. */
export const methodKeys: readonly RunKey[] = taskKeys.filter((key) => !ROWS.includes(key));

function checked(settings: object, where: string, own: readonly RunKey[]): RunSettings {
  const isOwn = (key: string) => (own as readonly string[]).includes(key);
  const stray = Object.keys(settings).find((key) => Object.hasOwn(runOptions, key) && !isOwn(key));
  if (stray !== undefined)
    throw new UsageError(`In ${where}: ${stray} is set by the comparison, not here; leave it out.`);
  try {
    return checkSettings(runOptions, settings as RunSettings);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`In ${where}: ${error.message}`);
    throw error;
  }
}

/** File names of a comparison's folder, which a task can't have. */
const TAKEN = /^(\.{1,2}|comparison(-plan|-steps|-failed|-frozen)?\.(json|md|tex)|(report|analysis)\.(html|json))$/;

const named = (title: string): Pick<SpecTask, "name" | "title"> => ({ name: folderName(title), title });

/** A name as a folder name. @throws UsageError for the names of special folders and of the comparison's files */
function folderName(name: string): string {
  const found = name.replaceAll(/[^\w.+-]/g, "-");
  if (!TAKEN.test(found)) return found;
  throw new UsageError(`A task can't be named ${name}, since its runs are in a folder of its name: use another name.`);
}

function selected(tasks: readonly SpecTask[], wanted: ComparisonSettings["tasks"]): readonly SpecTask[] {
  if (wanted === undefined) return tasks;
  const names = tasks.map(({ name }) => name);
  return wanted.map((entry) => {
    const found = tasks.find(({ name }) => typeof entry === "string" && name === folderName(entry));
    if (found) return found;
    throw new UsageError(
      `--tasks takes names of the file's tasks (${names.join(", ")}); got ${String(entry)}.${didYouMean(String(entry), names)}`,
    );
  });
}

function perMethodOf(given: Readonly<Record<string, object>>, byFlag: RunSettings): Map<string, RunSettings> {
  return new Map(
    Object.entries(given).map(([name, settings]) => {
      variantsOf([name]);
      return [name, { ...checked(settings, `the settings of ${name}`, methodKeys), ...byFlag }];
    }),
  );
}

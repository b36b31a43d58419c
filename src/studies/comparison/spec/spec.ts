// What a comparison is asked to do, from its flags and its file.
import { didYouMean, firstRepeated, UsageError } from "../../../base/index.js";
import { checkSettings, checkValue, filled, omit, readSettingsFile } from "../../../base/settings/index.js";
import { type RunKey, type RunSettings, runOptions } from "../../../tasks/config/index.js";
import type { LauncherName } from "../jobs/launchers.js";
import { type Budget, readBudget } from "../plan/budget.js";
import { type ComparisonSettings, compareOptions, comparisonOptions } from "./compareOptions.js";
import { definedIn, namesIn } from "./definedMethods.js";
import { type CurveSetting, isTuned, readCurve, readTuning, TUNE, type Tuning } from "./tuning.js";
import { type DefinedMethod, type Variant, variantNamed, variantsOf } from "./variants.js";

export interface SpecTask {
  readonly name: string;
  /** The name that the user gave it. */
  readonly title: string;
  readonly settings: RunSettings;
  /** Its settings of single methods and variants. */
  readonly perMethod: ReadonlyMap<string, RunSettings>;
  /** The metric by which its methods are compared, if it is not the task's own main metric. */
  readonly mainMetric?: string;
}

export interface Spec {
  readonly variants: readonly Variant[];
  /** The methods that the file defines, including those that this call leaves out. */
  readonly defined: readonly DefinedMethod[];
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
  readonly tuning: Tuning;
  readonly curve: CurveSetting | undefined;
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
 * @param found what there are runs of to summarize, if flags and file need not name tasks and methods
 * @throws UsageError for an unknown setting or method, or a task that is not in the file
 */
export function readSpec(flags: ComparisonSettings, file: string | undefined, found?: FoundRuns): Spec {
  const fromFile = file === undefined ? {} : readSettingsFile(file, compareOptions);
  const { tasks: listed, ...rest } = fromFile;
  const { tasks: wanted, ...given } = flags;
  const settings = filled(compareOptions, { ...rest, ...given });
  const { seeds, dataSeeds = [], budget, reach, margin, launcher, dashboard, output, pilot, freeze } = settings;
  refuseRepeated("--seeds", seeds);
  refuseRepeated("--data-seeds", dataSeeds);
  const byFlag = runSettingsIn(given);
  const common = { ...runSettingsIn(rest), ...byFlag };
  const methodsIn = [...(rest.methods ?? []), ...(given.methods ?? [])];
  const ofFile = definedIn(methodsIn, (own, where) => checked(own, where, methodKeys));
  const others = found?.methods.filter(({ name }) => !variantNamed(name, ofFile)) ?? [];
  const defined = [...ofFile, ...others];
  const tuning = readTuning(given, rest, { perMethod: settings.perMethod, seeds, defined });
  const isOpen = found !== undefined && listed === undefined && common.task === undefined;
  const ofTasks = isOpen ? openTasks(found.tasks, wanted) : tasksOf(listed, common, byFlag, defined);
  const methods = found && methodsIn.length === 0 ? found.methods.map(({ name }) => name) : namesIn(settings.methods);
  return {
    variants: variantsOf(methods, defined),
    defined,
    seeds,
    dataSeeds,
    tasks: selected(ofTasks, wanted).map((task) => withMainMetric(task, given.mainMetric, rest.mainMetric)),
    byFlag,
    common,
    mustApply: given.methods ? byFlag : Object.assign({}, common, ...ofTasks.map((task) => task.settings)),
    perMethod: perMethodOf(settings.perMethod ?? {}, defined, definedSettings(defined)),
    tuning,
    curve: readCurve(settings.curve, tuning),
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
      methods: methodsIn.length === 0 ? undefined : namesIn(settings.methods),
      seeds: given.seeds ?? rest.seeds,
      dataSeeds: given.dataSeeds ?? rest.dataSeeds,
    },
  };
}

/** The runs of a comparison's folder, which can be summarized without its file. */
export interface FoundRuns {
  readonly tasks: readonly string[];
  readonly methods: readonly DefinedMethod[];
}

/** The tasks of a comparison without a file: those with runs, and those that are asked for. */
const openTasks = (found: readonly string[], wanted: ComparisonSettings["tasks"] = []): SpecTask[] =>
  [...new Set([...found, ...wanted.map((entry) => folderName(String(entry)))])].map((name) => taskNamed(name));

/** A flag takes precedence over what the file says for the task, and this over what it says for all. */
function withMainMetric(task: SpecTask, byFlag: string | undefined, ofAll: string | undefined): SpecTask {
  const mainMetric = byFlag ?? task.mainMetric ?? ofAll;
  return { ...task, ...(mainMetric !== undefined && { mainMetric }) };
}

const definedSettings = (defined: readonly DefinedMethod[]): Map<string, RunSettings> =>
  new Map(defined.map(({ name, settings }) => [name, settings]));

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
  /** The methods that the file defines. */
  readonly defined?: readonly DefinedMethod[];
  /** The main metrics that were asked for, by task. */
  readonly mainMetrics?: Readonly<Record<string, string>>;
  /** Within which differences of the main metric methods are equivalent. */
  readonly margin?: number | undefined;
}

/** The results that a comparison should have, and the conditions to report with them. */
export function requestedResults(spec: Spec): RequestedResults & { readonly conditions: object } {
  const { tasks, variants, defined, reach, margin, budget, jobs, tuning, curve, seeds, dataSeeds } = spec;
  return {
    tasks: tasks.map(({ name }) => name),
    titles: Object.fromEntries(tasks.flatMap(({ name, title }) => (title === name ? [] : [[name, title]]))),
    methods: variants.map(({ name }) => name),
    reach,
    defined,
    mainMetrics: Object.fromEntries(
      tasks.flatMap(({ name, mainMetric }) => (mainMetric === undefined ? [] : [[name, mainMetric]])),
    ),
    margin,
    conditions: {
      ...(budget && { budget }),
      ...{ jobs, seeds },
      ...(dataSeeds.length > 0 && { dataSeeds }),
      ...(isTuned(tuning) && { tune: conditionOf(tuning) }),
      ...(curve && { curve: curve.points }),
      ...(margin !== undefined && { margin }),
    },
  };
}

const conditionOf = ({ points, perMethod, seed }: Tuning): object => ({
  points,
  ...(perMethod.size > 0 && { perMethod: Object.fromEntries(perMethod) }),
  seed,
});

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

function tasksOf(
  listed: ComparisonSettings["tasks"],
  common: RunSettings,
  byFlag: RunSettings,
  defined: readonly DefinedMethod[],
): SpecTask[] {
  if (listed === undefined) {
    const { task } = common;
    if (task === undefined)
      throw new UsageError("--task is missing: give it in the file or as a flag, or the file a list of tasks.");
    return [taskNamed(task)];
  }
  const tasks = listed.map((entry, i) => taskOf(entry, i, byFlag, defined));
  const twice = firstRepeated(tasks.map(({ name }) => name));
  if (twice !== undefined) throw new UsageError(`The list of tasks names ${twice} twice: give each a name of its own.`);
  return tasks;
}

function taskOf(entry: unknown, index: number, byFlag: RunSettings, defined: readonly DefinedMethod[]): SpecTask {
  const where = `task ${index + 1} of the list`;
  if (typeof entry === "string") return taskNamed(entry, checked({ task: entry }, where, taskKeys));
  const { name, perMethod = {}, mainMetric, ...settings } = entry as OwnOfTask & RunSettings;
  const own = checked(settings, where, taskKeys);
  const title = name ?? own.task;
  if (typeof title !== "string" || title === "") throw new UsageError(`A name is missing in ${where}.`);
  const ofMethods = checkValue(comparisonOptions.perMethod, perMethod, `In ${where}: perMethod`);
  return {
    ...taskNamed(title, { ...own, ...byFlag }, perMethodOf(ofMethods, defined, new Map(), ` in ${where}`)),
    ...(mainMetric !== undefined && {
      mainMetric: checkValue(comparisonOptions.mainMetric, mainMetric, `In ${where}: mainMetric`),
    }),
  };
}

/** What a task of the list has beside settings of its runs. */
interface OwnOfTask {
  readonly name?: unknown;
  readonly perMethod?: unknown;
  readonly mainMetric?: unknown;
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

const taskNamed = (
  title: string,
  settings: RunSettings = {},
  perMethod: SpecTask["perMethod"] = new Map(),
): SpecTask => ({
  ...{ name: folderName(title), title, settings, perMethod },
});

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

/** Settings by method. @param before those that a method has by its definition @throws UsageError for an unknown method, and as `checked` */
function perMethodOf(
  given: Readonly<Record<string, object>>,
  defined: readonly DefinedMethod[],
  before: ReadonlyMap<string, RunSettings>,
  where = "",
): Map<string, RunSettings> {
  const found = new Map(before);
  for (const [name, settings] of Object.entries(given)) {
    variantsOf([name], defined);
    found.set(name, {
      ...found.get(name),
      ...checked(omit(settings as { readonly [TUNE]?: unknown }, TUNE), `the settings of ${name}${where}`, methodKeys),
    });
  }
  return found;
}

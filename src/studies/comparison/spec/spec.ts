// What a comparison is asked to do, from its flags and its file.
import { didYouMean, firstRepeated, UsageError } from "../../../base/index.js";
import type { MethodPair } from "../../../base/records/index.js";
import { filled, readSettingsFile } from "../../../base/settings/index.js";
import type { RunSettings } from "../../../tasks/config/index.js";
import type { LauncherName } from "../jobs/launchers.js";
import { type Budget, readBudget } from "../plan/budget.js";
import { type ComparisonSettings, compareOptions } from "./compareOptions.js";
import { definedIn, namesIn } from "./definedMethods.js";
import {
  checked,
  methodKeys,
  openTasks,
  perMethodOf,
  runSettingsIn,
  type SpecTask,
  selected,
  tasksOf,
  withMainMetric,
} from "./specTasks.js";
import { type CurveSetting, isTuned, readCurve, readTuning, type Tuning } from "./tuning.js";
import { type DefinedMethod, type Variant, variantNamed, variantsOf } from "./variants.js";

export interface Spec {
  readonly variants: readonly Variant[];
  /** The methods that the file defines, including those that this call leaves out. */
  readonly defined: readonly DefinedMethod[];
  readonly seeds: readonly number[];
  /** Seeds of the rows, each of which is combined with each seed; none if one seed draws everything. */
  readonly dataSeeds: readonly number[];
  readonly tasks: readonly SpecTask[];
  /** Those and the tasks that this call leaves out: runs on them are summarized, too. */
  readonly allTasks: readonly SpecTask[];
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
  /** The pairs of methods to test; undefined for every two. */
  readonly pairs: readonly MethodPair[] | undefined;
  /** The file of the frozen plan. */
  readonly freeze: string | undefined;
  readonly jobs: number;
  readonly launcher: LauncherName;
  /** Whether to serve a live page, or on which port. */
  readonly dashboard: boolean | number;
  readonly output: string;
  /** Whether all tables and notes are printed. */
  readonly verbose: boolean;
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
  const variants = variantsOf(methods, defined);
  const tasks = selected(ofTasks, wanted).map((task) => withMainMetric(task, given.mainMetric, rest.mainMetric));
  const leftOut = ofTasks
    .filter((task) => !tasks.some(({ name }) => name === task.name))
    .map((task) => withMainMetric(task, undefined, rest.mainMetric));
  return {
    variants,
    defined,
    seeds,
    dataSeeds,
    tasks,
    allTasks: [...tasks, ...leftOut],
    byFlag,
    common,
    mustApply: given.methods ? byFlag : Object.assign({}, common, ...ofTasks.map((task) => task.settings)),
    perMethod: perMethodOf(settings.perMethod ?? {}, defined, definedSettings(defined)),
    tuning,
    curve: readCurve(settings.curve, tuning),
    budget: budget === undefined ? undefined : readBudget(budget),
    reach,
    margin,
    pairs:
      settings.pairs &&
      pairsIn(
        settings.pairs,
        variants.map(({ name }) => name),
      ),
    jobs: settings.jobs ?? (launcher === "local" ? 1 : MANY),
    launcher,
    dashboard,
    output,
    verbose: settings.verbose,
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

const definedSettings = (defined: readonly DefinedMethod[]): Map<string, RunSettings> =>
  new Map(defined.map(({ name, settings }) => [name, settings]));

function refuseRepeated(flag: string, seeds: readonly number[]): void {
  const repeated = firstRepeated(seeds.map(String));
  if (repeated !== undefined) throw new UsageError(`${flag} names ${repeated} twice: name each seed once.`);
}

/** @throws UsageError for a method that is not compared, a pair of one method, and a pair that is named twice */
function pairsIn(given: readonly string[], methods: readonly string[]): MethodPair[] {
  const pairs = given.map((pair) => pair.split(":") as [string, string]);
  for (const [i, pair] of pairs.entries()) {
    const stray = pair.find((name) => !methods.includes(name));
    if (stray !== undefined)
      throw new UsageError(
        `--pairs takes methods of this comparison (${methods.join(", ")}); got ${stray}.${didYouMean(stray, methods)}`,
      );
    if (pair[0] === pair[1]) throw new UsageError(`--pairs compares ${pair[0]} with itself: name two methods.`);
    if (pairs.slice(0, i).some((before) => pair.every((name) => before.includes(name))))
      throw new UsageError(`--pairs names ${pair.join(" and ")} twice: name each pair once.`);
  }
  return pairs;
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
  /** The pairs of methods to test; every two by default. */
  readonly pairs?: readonly MethodPair[] | undefined;
  /** Within which differences of the main metric methods are equivalent. */
  readonly margin?: number | undefined;
}

/** The results that a comparison should have, and the conditions to report with them. */
export function requestedResults(spec: Spec): RequestedResults & { readonly conditions: object } {
  const { tasks, allTasks, variants, defined, reach, margin, pairs, budget, jobs, tuning, curve, seeds, dataSeeds } =
    spec;
  return {
    tasks: tasks.map(({ name }) => name),
    titles: Object.fromEntries(allTasks.flatMap(({ name, title }) => (title === name ? [] : [[name, title]]))),
    methods: variants.map(({ name }) => name),
    reach,
    defined,
    mainMetrics: Object.fromEntries(
      allTasks.flatMap(({ name, mainMetric }) => (mainMetric === undefined ? [] : [[name, mainMetric]])),
    ),
    margin,
    pairs,
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

// The tasks of a comparison, and the settings that a task or a method can have for itself.
import { didYouMean, firstRepeated, UsageError } from "../../../base/index.js";
import { checkSettings, checkValue, omit } from "../../../base/settings/index.js";
import { type RunKey, type RunSettings, runOptions } from "../../../tasks/config/index.js";
import { type ComparisonSettings, compareOptions, comparisonOptions } from "./compareOptions.js";
import { TUNE } from "./tuning.js";
import { type DefinedMethod, variantsOf } from "./variants.js";

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

/** The tasks of a comparison without a file: those with runs, and those that are asked for. */
export const openTasks = (found: readonly string[], wanted: ComparisonSettings["tasks"] = []): SpecTask[] =>
  [...new Set([...found, ...wanted.map((entry) => folderName(String(entry)))])].map((name) => taskNamed(name));

/** A flag takes precedence over what the file says for the task, and this over what it says for all. */
export function withMainMetric(task: SpecTask, byFlag: string | undefined, ofAll: string | undefined): SpecTask {
  const mainMetric = byFlag ?? task.mainMetric ?? ofAll;
  return { ...task, ...(mainMetric !== undefined && { mainMetric }) };
}

/** Settings that are the comparison's, not the runs'. */
const OWN: ReadonlySet<string> = new Set([
  ...Object.keys(comparisonOptions),
  ...["output", "overwrite", "verbose", "dashboard", "json", "quiet", "debug"],
]);

export const runSettingsIn = (given: object): RunSettings =>
  Object.fromEntries(Object.entries(given).filter(([key, value]) => !OWN.has(key) && value !== undefined));

export function tasksOf(
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

export function checked(settings: object, where: string, own: readonly RunKey[]): RunSettings {
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

export function selected(tasks: readonly SpecTask[], wanted: ComparisonSettings["tasks"]): readonly SpecTask[] {
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
export function perMethodOf(
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

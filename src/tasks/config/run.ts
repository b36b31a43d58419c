/**
 * The settings of a run, and how each gets its value. Flags, `--help`, the YAML file, `run.yaml` and `docs/options.md` all come from
 * `runOptions`.
 */

import { anObject, checkArguments, optional, options, UsageError, yaml } from "../../base/index.js";
import type { JsonObject, SettingSource } from "../../base/records/index.js";
import {
  checkSettings,
  type Given,
  type Option,
  pick,
  readSettingsFile,
  refuse,
  type Values,
  withDefaults,
  withoutEffect,
} from "../../base/settings/index.js";
import { ADAPTER_METHODS, type AdapterMethod } from "../../models/adapters/index.js";
import { METHODS } from "./methods.js";
import { bidoraOptions } from "./options/bidora.js";
import { dataOptions, modelOptions } from "./options/data.js";
import { embeddingOptions } from "./options/embedding.js";
import { textOptions } from "./options/generation.js";
import { methodOptions } from "./options/method.js";
import { outputOptions } from "./options/output.js";
import { trainingOptions } from "./options/training.js";

/** Every option of a fine-tuning run, in the order of help and documentation. */
export const runOptions = {
  ...modelOptions,
  ...dataOptions,
  ...methodOptions,
  ...trainingOptions,
  ...embeddingOptions,
  ...bidoraOptions,
  ...textOptions,
  ...outputOptions,
};

type RunTable = typeof runOptions;
export type RunKey = keyof RunTable;

/** What a user sets, on the command line, in a YAML file or in a call. */
export type RunSettings = Given<RunTable>;

/** Options with a default that follows from others, after they are resolved. */
type Resolved = "model" | "normGradient" | "learningRate" | "upperLearningRate" | "retrainLearningRate" | "output";

/** All settings of a run, those resolved that don't depend on the files of the model and the data. */
export type RunValues = Omit<Values<RunTable>, Resolved> & {
  readonly [K in Resolved]: NonNullable<Values<RunTable>[K]>;
};

/** A run with its settings resolved, and where they come from. */
export type RunConfig = RunValues & {
  /** What the user set: only these can contradict an adapter to start from. */
  readonly given: RunSettings;
  /** What each source said. */
  readonly sources: Sources;
};

/**
 * Where a setting can come from, in order of precedence. The schema's defaults come last.
 *
 * - `found`: model and data, once they are read: the columns by name, a dtype in place of `auto`
 * - `flags`: the command line, or the call
 * - `file`: the YAML file
 * - `adapter`: the adapter that the run starts from
 * - `derived`: the other settings (the learning rate follows the method)
 */
export const SOURCES = ["found", "flags", "file", "adapter", "derived"] as const;

/** The names of the sources in a run's log. */
const SOURCE_NAMES: Readonly<Record<(typeof SOURCES)[number], SettingSource>> = {
  found: "data",
  flags: "flag",
  file: "file",
  adapter: "adapter",
  derived: "derived",
};

/** The settings that each source gives. */
export type Sources = { readonly [S in (typeof SOURCES)[number]]?: RunSettings };

/** Each setting takes the value of its highest-precedence source. */
export function mergeSources(sources: Sources): RunSettings {
  return Object.assign({}, ...SOURCES.toReversed().map((source) => withoutUndefined(sources[source] ?? {})));
}

function withoutUndefined(settings: RunSettings): RunSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** What a user set. */
const givenIn = ({ flags, file }: Sources): RunSettings =>
  mergeSources({ ...(flags && { flags }), ...(file && { file }) });

/**
 * Checks settings and resolves them.
 * @param flags what the user set
 * @param others what a YAML file and an adapter to start from say
 * @throws UsageError for an unknown key, a wrong value, or settings that are mutually exclusive
 */
export function resolveRun(flags: RunSettings, others: Pick<Sources, "file" | "adapter"> = {}): RunConfig {
  const check = (settings: RunSettings | undefined) => checkSettings(runOptions, settings);
  checkArguments("resolveRun", ["others", others, options({ file: optional(anObject), adapter: optional(anObject) })]);
  return resolveChecked({ flags: check(flags), file: check(others.file), adapter: check(others.adapter) });
}

/**
 * Fills in every default, those that follow from other settings included.
 * @param needsModel false as long as the adapter to start from, which may name its base model, has not been read
 * @throws UsageError as `resolveRun`
 */
export function resolveChecked(
  { flags = {}, file = {}, adapter = {} }: Omit<Sources, "found" | "derived">,
  needsModel = true,
): RunConfig {
  const sources = { flags, file: withoutReplaced(file, flags), adapter };
  const settings = withDefaults(runOptions, mergeSources(sources));
  if (needsModel && settings.model === undefined) throw modelIsMissing(whyNoModel(settings, file));
  refuseContradictions(settings);
  return configOf({ ...sources, derived: derivedSettings(settings) });
}

/** Where each setting that has a value comes from. A value that model and data only confirm comes from where it was before. */
export function settingSources(config: RunConfig): Record<string, SettingSource> {
  const kept = Object.entries<Option>(runOptions).filter(([, { session }]) => !session);
  const named = kept.map(([key]) => [key, sourceOf(config, key as RunKey)] as const);
  return Object.fromEntries(named.filter(([key]) => config[key as RunKey] !== undefined));
}

function sourceOf({ sources }: RunConfig, key: RunKey): SettingSource {
  const [found, ...others] = SOURCES;
  const from = others.find((source) => sources[source]?.[key] !== undefined);
  const before = from ? sources[from]?.[key] : (runOptions[key] as Option).default;
  const now = sources[found]?.[key];
  if (now !== undefined && JSON.stringify(now) !== JSON.stringify(before)) return SOURCE_NAMES.found;
  return from ? SOURCE_NAMES[from] : "default";
}

/** The settings of a run in a YAML file. @throws as `readSettingsFile` */
export const readRunFile = (path: string): RunSettings => readSettingsFile(path, runOptions);

/** The same run after model and data have been read. */
export function withFound(config: RunConfig, found: RunSettings): RunConfig {
  return configOf({ ...config.sources, found });
}

function configOf(sources: Sources): RunConfig {
  // What has no default is in `derived`, or has been checked to be there.
  const settings = withDefaults(runOptions, mergeSources(sources)) as RunValues;
  return { ...settings, given: givenIn(sources), sources };
}

/** The adapter method that a method trains, if it trains one. */
function adapterOf({ method }: Pick<RunValues, "method">): AdapterMethod | undefined {
  const { adapter } = METHODS[method];
  return adapter && ADAPTER_METHODS[adapter];
}

/** @param why there is none, although something might name it */
export const modelIsMissing = (why = ""): UsageError =>
  new UsageError(`--model is missing${why}: give a local folder or a Hub repository.`);

/** A run that is resumed is the only place that could name the model where there is no run file. */
function whyNoModel({ resume, output }: RunSettings, file: RunSettings): string {
  if (!resume || output === undefined || Object.keys(file).length > 0) return "";
  return `, and --output ${output} has no run of bidora's that names it`;
}

function refuseContradictions(settings: Values<RunTable>): void {
  const { resume, overwrite } = settings;
  if (resume && overwrite) {
    throw new UsageError(
      "--resume and --overwrite are mutually exclusive: one continues the run in the folder, the other deletes it.",
    );
  }
  if (settings.dtype === "float16" && METHODS[settings.method].isBilevel) {
    throw new UsageError(
      "--dtype float16 does not go with --method bidora, whose search differentiates gradients that float16 rounds to zero: use bfloat16 or float32.",
    );
  }
  adapterOf(settings)?.check?.(settings);
}

/** The values of settings that depend on others. */
function derivedSettings(settings: Values<RunTable>): RunSettings {
  const { method, task, learningRate } = settings;
  const rate = learningRate ?? METHODS[method].learningRate;
  return {
    learningRate: rate,
    upperLearningRate: rate,
    retrainLearningRate: rate,
    normGradient: METHODS[method].isBilevel ? "full" : "detached",
    ...adapterOf(settings)?.derived?.(settings),
    ...retrainLength(settings),
    output: `runs/${[task?.replaceAll("/", "-") ?? "run", method].join("-")}`,
  };
}

/** The retrain phase is as long as the search unless one of its two lengths is given. */
function retrainLength({ retrainSteps, retrainEpochs, maxSteps, epochs }: RunSettings): RunSettings {
  if (retrainSteps !== undefined || retrainEpochs !== undefined) return {};
  return maxSteps === undefined ? { retrainEpochs: epochs } : { retrainSteps: maxSteps };
}

/** Two settings for one thing: the first takes precedence, but either one on the command line replaces the other one in the file. */
const ALTERNATIVES: readonly (readonly [RunKey, RunKey])[] = [
  ["maxSteps", "epochs"],
  ["retrainSteps", "retrainEpochs"],
  ["searchFolds", "searchFraction"],
];

function withoutReplaced(file: RunSettings, flags: RunSettings): RunSettings {
  const replaced = ALTERNATIVES.flatMap(([a, b]) => (a in flags ? [b] : b in flags ? [a] : []));
  return Object.fromEntries(Object.entries(file).filter(([key]) => !replaced.includes(key as RunKey)));
}

/**
 * Refuses settings that have no effect in a run.
 * @param except settings that have an effect anyway
 * @throws UsageError that names each of them and says when it applies
 */
export function refuseUnused(given: RunSettings, run: RunValues, except: readonly RunKey[] = []): void {
  refuse("in this run", runOptions, given, run, except);
}

/** The same for settings that depend on the task, once it is known where the user names none. @throws as `refuseUnused` */
export const refuseUnusedForTask = (run: RunConfig, task: string): void =>
  refuse("in this run", { ...embeddingOptions, ...pick(dataOptions, "dropUnlabeled") }, run.given, { ...run, task });

/** The settings that have no effect in this run, including those that another setting replaces. */
export function unusedSettings(config: RunConfig): string[] {
  const replaced = ALTERNATIVES.flatMap(([first, other]) => (config[first] === undefined ? [] : [other]));
  return [...withoutEffect(runOptions, runOptions, config), ...replaced];
}

/** The text of `run.yaml`: every setting that has an effect, as resolved, enough to repeat the run. */
export function renderRunYaml(config: RunConfig): string {
  const groups = new Map<string, Record<string, unknown>>();
  const unused = new Set(withoutEffect(runOptions, runOptions, config));
  for (const [key, option] of Object.entries<Option>(runOptions)) {
    const value = config[key as RunKey];
    if (option.session || unused.has(key) || value === undefined) continue;
    groups.set(option.group, { ...groups.get(option.group), [key]: value });
  }
  return [...groups].map(([group, values]) => `# ${group}\n${yaml().stringify(values)}`).join("\n");
}

/** Settings that change where results go and how fast they come, but not the results. */
const NOT_OF_RESULT: ReadonlySet<string> = new Set<RunKey>(["output", "device", "threads", "log"]);

/** The settings that determine the results of a run, for its log and its checkpoints. */
export function settingsOf(config: RunConfig): JsonObject {
  const keys = Object.entries<Option>(runOptions).filter(([key, { session }]) => !session && !NOT_OF_RESULT.has(key));
  return JSON.parse(JSON.stringify(Object.fromEntries(keys.map(([key]) => [key, config[key as RunKey]]))));
}

/**
 * The settings of a run, and how each gets its value. Flags, `--help`, the YAML file, `run.yaml` and `docs/options.md` all come from
 * `runOptions`.
 */

import { given, UsageError, yaml } from "../../base/index.js";
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
import { OPTIMIZERS } from "../../torch/optim/index.js";
import { METHODS, usualRate } from "./methods.js";
import { bidoraOptions, REGULARIZER } from "./options/bidora.js";
import { dataOptions, modelOptions } from "./options/data.js";
import { embeddingOptions } from "./options/embedding.js";
import { textOptions } from "./options/generation.js";
import { lossOptions } from "./options/losses.js";
import { methodOptions } from "./options/method.js";
import { outputOptions } from "./options/output.js";
import { trainingOptions } from "./options/training.js";
import { checkUpper, checkUpperDecay, upperFacts, upperOf, upperOptimizer } from "./upperGroups.js";

/** Every option of a fine-tuning run, in the order of help and documentation. */
export const runOptions = {
  ...modelOptions,
  ...dataOptions,
  ...methodOptions,
  ...trainingOptions,
  ...lossOptions,
  ...embeddingOptions,
  ...bidoraOptions,
  ...textOptions,
  ...outputOptions,
};

type RunTable = typeof runOptions;
export type RunKey = keyof RunTable;

/** What a user sets, on the command line, in a YAML file or in a call. */
export type RunSettings = Given<RunTable>;

/** Options with a default that follows from others. */
type Resolved =
  | ("model" | "normGradient" | "learningRate" | "upperLearningRate" | "retrainLearningRate")
  | ("regularizer" | "output");

/** All settings of a run, those settled that don't depend on the files of the model and the data. */
export type RunValues = Omit<Values<RunTable>, Resolved> & {
  readonly [K in Resolved]: NonNullable<Values<RunTable>[K]>;
};

/** What was said about a run: checked, and without defaults. */
export interface AskedRun {
  /** The command line, or the call. */
  readonly flags: RunSettings;
  /** The YAML file. */
  readonly file?: RunSettings;
  /** The adapter that the run starts from. */
  readonly adapter?: RunSettings;
}

/** A run with its settings settled, and where they come from. */
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
  return Object.assign({}, ...SOURCES.toReversed().map((source) => given(sources[source] ?? {})));
}

/** What the user set, by flags and in the file. */
export const saidBy = ({ flags, file = {} }: AskedRun): RunSettings =>
  mergeSources({ flags, file: withoutReplaced(file, flags) });

/** Settles a run of which only these settings are given. @throws UsageError for an unknown key or a wrong value, and as `settle` */
export const resolveRun = (settings: RunSettings): RunConfig => settle({ flags: checkSettings(runOptions, settings) });

/**
 * Gives every setting its value: what was said, what follows from other settings, or the default.
 * @throws UsageError if no model is named, and as `refuseContradictions`
 */
export function settle(asked: AskedRun): RunConfig {
  const { flags, file = {}, adapter } = asked;
  const said: Sources = { flags, file: withoutReplaced(file, flags), ...(adapter && { adapter }) };
  const settings = withDefaults(runOptions, mergeSources(said));
  if (settings.model === undefined) throw modelIsMissing(whyNoModel(settings, file));
  refuseContradictions(settings);
  const sources = { ...said, derived: derivedSettings(settings) };
  // What has no default is in `derived`, or has been checked to be there.
  return { ...(settings as RunValues), ...mergeSources(sources), given: saidBy(asked), sources } as RunConfig;
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
export const withFound = (config: RunConfig, found: RunSettings): RunConfig =>
  ({ ...config, ...given(found), sources: { ...config.sources, found } }) as RunConfig;

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

/**
 * Refuses settings that are mutually exclusive.
 * @param settings with or without defaults. Without a method, which an adapter may name, only what excludes each other with all methods
 * @throws UsageError
 */
export function refuseContradictions(settings: RunSettings): void {
  const { resume, overwrite, dtype, method } = settings;
  if (resume && overwrite) {
    throw new UsageError(
      "--resume and --overwrite are mutually exclusive: one continues the run in the folder, the other deletes it.",
    );
  }
  if (method === undefined) return;
  checkUpper(settings);
  checkUpperDecay(settings);
  if (settings.upper === "sources" && settings.sourceColumn === undefined)
    throw new UsageError("--upper sources needs --source-column: name the column of --train with each row's source.");
  if (dtype === "float16" && upperOf(settings) !== undefined) {
    throw new UsageError(
      "--dtype float16 does not go with --method bidora or --upper, whose search differentiates gradients that float16 rounds to zero: use bfloat16 or float32.",
    );
  }
  adapterOf({ method })?.check?.(withDefaults(runOptions, settings));
}

/** The values of settings that depend on others. */
function derivedSettings(settings: Values<RunTable>): RunSettings {
  const { method, task, learningRate, optimizer } = settings;
  const upper = upperOf(settings);
  const rate = learningRate ?? usualRate(method, task);
  return {
    learningRate: rate,
    upperLearningRate: (upper && upperFacts(upper).learningRate) ?? rate,
    retrainLearningRate: rate,
    normGradient: METHODS[method].upper ? "full" : "detached",
    regularizer: method === "dora" && upper === undefined ? 0 : REGULARIZER,
    ...adapterOf(settings)?.derived?.(settings),
    ...OPTIMIZERS[optimizer].defaults,
    ...retrainLength(settings),
    output: `runs/${[task?.replaceAll("/", "-") ?? "run", method].join("-")}`,
  };
}

/**
 * The settings of a run with the optimizer of its upper level. Where that is another one, it has its own defaults in place of the run's
 * optimizer's. These are known by their values: `run.yaml` does not say what the user gave.
 */
export function upperSettings(config: RunConfig): RunConfig {
  const optimizer = upperOptimizer(config);
  if (optimizer === config.optimizer) return config;
  const others = Object.entries(OPTIMIZERS[config.optimizer].defaults ?? {});
  const taken = others.filter(([key, value]) => config[key as RunKey] === value);
  const own: RunSettings = { ...withDefaults(trainingOptions, {}), ...OPTIMIZERS[optimizer].defaults };
  return { ...config, ...Object.fromEntries(taken.map(([key]) => [key, own[key as RunKey]])), optimizer };
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
  refuse("in this run", { ...lossOptions, ...embeddingOptions, ...pick(dataOptions, "dropUnlabeled") }, run.given, {
    ...run,
    task,
  });

/** The settings that have no effect in this run, including those that another setting replaces. */
export function unusedSettings(config: RunConfig): string[] {
  const replaced = ALTERNATIVES.flatMap(([first, other]) => (config[first] === undefined ? [] : [other]));
  return [...withoutEffect(runOptions, runOptions, config), ...replaced];
}

/** The text of `run.yaml`: every setting that has an effect, as settled, enough to repeat the run. */
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

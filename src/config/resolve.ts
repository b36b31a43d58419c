import { stringify } from "yaml";
import { firstRank } from "../adapters/index.js";
import { anObject, checkArguments, optional, options } from "../common/arguments.js";
import { UsageError } from "../common/errors.js";
import type { JsonObject } from "../files/json.js";
import { METHODS } from "./methods.js";
import { type Option, type Values, withDefaults } from "./option.js";
import { type RunConfig, type RunKey, type RunSettings, type RunTable, runOptions } from "./options.js";
import { byHand, type Sources, settle } from "./precedence.js";
import { checkSettings } from "./settings.js";
import { withoutEffect } from "./withoutEffect.js";

/**
 * Checks what was set by hand and fills in every default, those that follow from the method included.
 * @param flags what the user set
 * @param weaker what a YAML file and an adapter to start from say: `SOURCES` has the order of precedence
 * @throws UsageError for an unknown key, a wrong value, or settings that exclude each other
 */
export function resolveRun(flags: RunSettings, weaker: Pick<Sources, "file" | "adapter"> = {}): RunConfig {
  const check = (settings: RunSettings | undefined) => checkSettings(runOptions, settings);
  checkArguments("resolveRun", ["weaker", weaker, options({ file: optional(anObject), adapter: optional(anObject) })]);
  const [byFlag, file, adapter] = [check(flags), check(weaker.file), check(weaker.adapter)];
  const asked = { flags: byFlag, file: withoutReplaced(file, byFlag), adapter };
  const settings = withDefaults(runOptions, settle(asked));
  refuseImpossible(settings);
  return configOf({ ...asked, follows: following(settings) });
}

/** The same run when model and data have been read. */
export function withFound(config: RunConfig, found: RunSettings): RunConfig {
  return configOf({ ...config.sources, found });
}

function configOf(sources: Sources): RunConfig {
  // What has no default is in `follows`, or has been found to be there.
  const settings = withDefaults(runOptions, settle(sources)) as Omit<RunConfig, "given" | "sources">;
  return { ...settings, given: byHand(sources), sources };
}

function refuseImpossible({ model, resume, overwrite, ...settings }: Values<RunTable>): void {
  if (model === undefined) throw new UsageError("--model is missing: give a local folder or a Hub repository.");
  if (resume && overwrite) {
    throw new UsageError(
      "--resume and --overwrite exclude each other: one continues the run in the folder, the other deletes it.",
    );
  }
  const { method, rank, adaloraInitRank = rank } = settings;
  if (method === "adalora" && adaloraInitRank < rank) {
    throw new UsageError(
      `--adalora-init-rank ${adaloraInitRank} is below --rank ${rank}: ranks are taken away in training, none comes to them.`,
    );
  }
}

/** What settings are that depend on others, unless something settles them. */
function following({ method, task, learningRate, rank, ...lengths }: Values<RunTable>): RunSettings {
  const rate = learningRate ?? METHODS[method].learningRate;
  return {
    learningRate: rate,
    upperLearningRate: rate,
    retrainLearningRate: rate,
    normGradient: METHODS[method].isBilevel ? "full" : "detached",
    ...(method === "adalora" && { adaloraInitRank: firstRank(rank) }),
    ...retrainLength(lengths),
    output: `runs/${[task?.replaceAll("/", "-") ?? "run", method].join("-")}`,
  };
}

/** The retrain phase is as long as the search unless one of its two lengths is given. */
function retrainLength({ retrainSteps, retrainEpochs, maxSteps, epochs }: RunSettings): RunSettings {
  if (retrainSteps !== undefined || retrainEpochs !== undefined) return {};
  return maxSteps === undefined ? { retrainEpochs: epochs } : { retrainSteps: maxSteps };
}

/**
 * Two words for one length, or one split, of which the first is stronger; but one on the command line stands in for the other one in
 * the file.
 */
const ALTERNATIVES: readonly (readonly [RunKey, RunKey])[] = [
  ["maxSteps", "epochs"],
  ["retrainSteps", "retrainEpochs"],
  ["searchFolds", "searchFraction"],
];

function withoutReplaced(file: RunSettings, flags: RunSettings): RunSettings {
  const replaced = ALTERNATIVES.flatMap(([a, b]) => (a in flags ? [b] : b in flags ? [a] : []));
  return Object.fromEntries(Object.entries(file).filter(([key]) => !replaced.includes(key as RunKey)));
}

/** The settings that change nothing in this run, those among them that another one stands in for. */
export function idleSettings(config: RunConfig): string[] {
  const replaced = ALTERNATIVES.flatMap(([stronger, other]) => (config[stronger] === undefined ? [] : [other]));
  return [...withoutEffect(runOptions, runOptions, config), ...replaced];
}

/** The text of `run.yaml`: every setting that has an effect, as resolved, enough to run it again. */
export function renderRunYaml(config: RunConfig): string {
  const groups = new Map<string, Record<string, unknown>>();
  const idle = new Set(withoutEffect(runOptions, runOptions, config));
  for (const [key, option] of Object.entries<Option>(runOptions)) {
    const value = config[key as RunKey];
    if (option.session || idle.has(key) || value === undefined) continue;
    groups.set(option.group, { ...groups.get(option.group), [key]: value });
  }
  return [...groups].map(([group, values]) => `# ${group}\n${stringify(values)}`).join("\n");
}

/** They say where results go and how fast they come, and make no other run of it. */
const BESIDE: ReadonlySet<string> = new Set<RunKey>(["output", "threads", "log"]);

/** The settings that make a run what it is, for its log and its checkpoints. */
export function settingsOf(config: RunConfig): JsonObject {
  const keys = Object.entries<Option>(runOptions).filter(([key, { session }]) => !session && !BESIDE.has(key));
  return JSON.parse(JSON.stringify(Object.fromEntries(keys.map(([key]) => [key, config[key as RunKey]]))));
}

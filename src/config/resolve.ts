import { stringify } from "yaml";
import { UsageError } from "../common/errors.js";
import { didYouMean } from "../common/nearest.js";
import { own } from "../common/own.js";
import { availableMethods, METHODS } from "./methods.js";
import { alternatives, checkValue, type Option, withDefaults } from "./option.js";
import { type RunConfig, type RunKey, type RunSettings, runOptions } from "./options.js";
import { withoutEffect } from "./withoutEffect.js";

/**
 * Checks what was set by hand and fills in every default, those that follow from the method included.
 * @param given what the user set
 * @param follows values that come from elsewhere (an adapter's rank, say): they beat defaults, and `given` beats them
 * @throws UsageError for an unknown key, a wrong value, or settings that exclude each other
 */
export function resolveRun(given: RunSettings, follows: RunSettings = {}): RunConfig {
  const checked = checkSettings(given);
  const settings = withDefaults(runOptions, { ...checkSettings(follows), ...checked });
  const { method, model, task } = settings;
  if (!METHODS[method].available) {
    throw new UsageError(
      `--method ${method} is not available in this version; take ${alternatives(availableMethods)}.`,
    );
  }
  if (model === undefined) throw new UsageError("--model is missing: give a local folder or a Hub repository.");
  if (settings.resume && settings.overwrite) {
    throw new UsageError(
      "--resume and --overwrite exclude each other: one continues the run in the folder, the other deletes it.",
    );
  }
  const learningRate = settings.learningRate ?? METHODS[method].learningRate;
  const length = retrainLength(settings);
  return {
    ...settings,
    model,
    learningRate,
    normGradient: settings.normGradient ?? (method === "bidora" ? "full" : "detached"),
    upperLearningRate: settings.upperLearningRate ?? learningRate,
    retrainLearningRate: settings.retrainLearningRate ?? learningRate,
    ...length,
    output: settings.output ?? `runs/${[task?.replaceAll("/", "-") ?? "run", method].join("-")}`,
    given: checked,
  };
}

/** Two words for one length: the one on the command line stands in for the other one in the file. */
const ALTERNATIVES: readonly (readonly [RunKey, RunKey])[] = [
  ["maxSteps", "epochs"],
  ["retrainSteps", "retrainEpochs"],
];

/** What a YAML file and the command line say together: flags beat the file. */
export function overlay(file: RunSettings, flags: RunSettings): RunSettings {
  const replaced = ALTERNATIVES.flatMap(([a, b]) => (a in flags ? [b] : b in flags ? [a] : []));
  const kept = Object.entries(file).filter(([key]) => !replaced.includes(key as RunKey));
  return { ...Object.fromEntries(kept), ...flags };
}

/** The retrain phase is as long as the search unless one of its two lengths is given. */
function retrainLength(settings: RunSettings): Pick<RunConfig, "retrainSteps" | "retrainEpochs"> {
  const { retrainSteps, retrainEpochs, maxSteps, epochs } = settings;
  if (retrainSteps !== undefined || retrainEpochs !== undefined) return { retrainSteps, retrainEpochs };
  return maxSteps === undefined
    ? { retrainSteps: undefined, retrainEpochs: epochs }
    : { retrainSteps: maxSteps, retrainEpochs: undefined };
}

function checkSettings(given: RunSettings): RunSettings {
  const checked: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const option = own<Option>(runOptions, key);
    if (!option) throw new UsageError(`Unknown setting "${key}".${didYouMean(key, Object.keys(runOptions))}`);
    checked[key] = checkValue(option, value, key);
  }
  return checked;
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

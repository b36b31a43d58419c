/** The settings of the next run as a page shows them: value, default, and whether it has an effect. */
import { BidoraError } from "../../../base/index.js";
import type { Option } from "../../../base/settings/index.js";
import {
  type RunConfig,
  type RunKey,
  type RunSettings,
  runOptions,
  unusedSettings,
} from "../../../tasks/config/index.js";
import { settledRun } from "../runFile.js";
import { textOf } from "./inputs.js";

/** One setting of the next run. */
export interface Setting {
  readonly key: RunKey;
  readonly option: Option;
  /** The value that the run has, as a text; empty if model or data decide. */
  readonly value: string;
  /** What it is unless it is given, as a text. */
  readonly usual: string;
  /** Whether it stands in run.yaml. */
  readonly isGiven: boolean;
  /** Completes "It applies only …", where it has no effect now. */
  readonly only: string | undefined;
}

/** What other screens set, and what is no setting of the file. */
const ELSEWHERE: ReadonlySet<string> = new Set<RunKey>([
  "model",
  "task",
  "train",
  "validation",
  "textColumns",
  "labelColumn",
  "output",
  "method",
]);

export const isSettable = (key: string): key is RunKey =>
  Object.hasOwn(runOptions, key) && !ELSEWHERE.has(key) && !(runOptions[key as RunKey] as Option).session;

const SETTABLE = Object.keys(runOptions).filter(isSettable);

/**
 * Every setting that a file can have and that this part shows, in the order of the help.
 * @param labels of the training rows, if they are known
 * @throws UsageError as the run itself
 */
export function settingsOfRun(file: RunSettings, labels?: readonly string[]): readonly Setting[] {
  const config = settledRun(file);
  const unused = new Set(unusedSettings(config));
  return SETTABLE.map((key) => {
    const option = { ...(runOptions[key] as Option), ...(key === "positiveLabel" && labels && { words: labels }) };
    const isGiven = file[key] !== undefined;
    return {
      key,
      option,
      value: unused.has(key) ? "" : textOf(config[key]),
      usual: usualText(key, option, isGiven ? without(file, key) : config),
      isGiven,
      only: onlyWhen(key, option, unused, labels),
    };
  });
}

function onlyWhen(key: RunKey, { appliesWhen }: Option, unused: ReadonlySet<string>, labels?: readonly string[]) {
  if (unused.has(key)) return appliesWhen?.only ?? "without the setting that replaces it";
  return key === "positiveLabel" && labels && labels.length !== 2 ? "to rows with two labels" : undefined;
}

/** The run without one setting, if there is such a run. */
function without(file: RunSettings, key: RunKey): RunConfig | undefined {
  try {
    return settledRun({ ...file, [key]: undefined });
  } catch (error) {
    if (error instanceof BidoraError) return undefined;
    throw error;
  }
}

const usualText = (key: RunKey, option: Option, config: RunConfig | undefined): string =>
  textOf(config?.[key]) || option.defaultText || textOf(option.default) || "none";

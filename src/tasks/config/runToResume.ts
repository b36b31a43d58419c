import { existsSync } from "node:fs";
import { join } from "node:path";
import { isRunFolder, RUN_FILE } from "../../base/records/index.js";
import { omit } from "../../base/settings/index.js";
import { type RunSettings, readRunFile } from "./run.js";

/** The `run.yaml` of the run that a command without a run file and a model resumes: it has all settings; undefined for any other command. */
export function fileToResume({ model, resume, output }: RunSettings): string | undefined {
  if (model !== undefined || !resume || output === undefined || !isRunFolder(output)) return undefined;
  const path = join(output, RUN_FILE);
  return existsSync(path) ? path : undefined;
}

/** The settings in such a file. Learning rates that follow another one still follow it, if the command changes that. */
export function settingsToResume(path: string, { learningRate }: RunSettings): RunSettings {
  const own = readRunFile(path);
  if (learningRate === undefined) return own;
  const rates = ["upperLearningRate", "retrainLearningRate"] as const;
  return omit(own, ...rates.filter((key) => own[key] === own.learningRate));
}

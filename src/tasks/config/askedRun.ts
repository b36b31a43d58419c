import { existsSync } from "node:fs";
import { join } from "node:path";
import { isRunFolder, RUN_FILE } from "../../base/records/index.js";
import { omit } from "../../base/settings/index.js";
import { type AskedRun, type RunSettings, readRunFile } from "./run.js";

/** The run of a command: its flags, and what the run file says or, without one, the `run.yaml` of the run that is resumed. */
export function askedRun({ runFile, ...flags }: RunSettings & { readonly runFile?: string | undefined }): AskedRun {
  if (runFile !== undefined) return { flags, file: readRunFile(runFile) };
  const resumed = fileToResume(flags);
  return { flags, ...(resumed !== undefined && { file: settingsToResume(resumed, flags) }) };
}

/** The `run.yaml` of the run that a command without a run file and a model resumes: it has all settings; undefined for any other command. */
function fileToResume({ model, resume, output }: RunSettings): string | undefined {
  if (model !== undefined || !resume || output === undefined || !isRunFolder(output)) return undefined;
  const path = join(output, RUN_FILE);
  return existsSync(path) ? path : undefined;
}

/** The settings in such a file. Learning rates that follow another one still follow it, if the command changes that. */
function settingsToResume(path: string, { learningRate }: RunSettings): RunSettings {
  const own = readRunFile(path);
  if (learningRate === undefined) return own;
  const rates = ["upperLearningRate", "retrainLearningRate"] as const;
  return omit(own, ...rates.filter((key) => own[key] === own.learningRate));
}

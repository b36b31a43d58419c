import { existsSync } from "node:fs";
import { join } from "node:path";
import { isRunFolder, RUN_FILE } from "../../base/records/index.js";
import { omit } from "../../base/settings/index.js";
import { type AskedRun, type RunSettings, readRunFile } from "./run.js";

/**
 * The run of a command: its flags, and what the run file says or, without one, the `run.yaml` of the run that is resumed. Where neither
 * names a method, a run that is resumed keeps its own.
 */
export function askedRun({ runFile, ...flags }: RunSettings & { readonly runFile?: string | undefined }): AskedRun {
  const file = runFile === undefined ? undefined : readRunFile(runFile);
  const resumed = fileToResume({ ...file, ...flags });
  if (resumed === undefined) return { flags, ...(file && { file }) };
  if (file === undefined && flags.model === undefined) return { flags, file: settingsToResume(resumed, flags) };
  const { method = readRunFile(resumed).method } = { ...file, ...flags };
  return { flags, file: { ...file, method } };
}

/** The `run.yaml` of the run that a command resumes, which has all its settings; undefined for any other command. */
function fileToResume({ resume, output }: RunSettings): string | undefined {
  if (!resume || output === undefined || !isRunFolder(output)) return undefined;
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

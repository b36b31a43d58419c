/** The files of a run that other programs read: the adapter or the model, without what the run has noted about itself. */

import {
  CONFIG_FILE,
  GENERATION_CONFIG,
  MODULE_FOLDERS,
  SENTENCE_TRANSFORMERS,
  TOKENIZER_FILES,
} from "../../../base/index.js";
import { ADAPTER_FILES, CARD } from "../../../base/records/index.js";
import type { FinishedRun } from "../answers/finishedRuns.js";
import { type ExportedFile, filesIn } from "./exported.js";

const NAMES: ReadonlySet<string> = new Set([
  ...ADAPTER_FILES,
  ...TOKENIZER_FILES,
  ...Object.values(SENTENCE_TRANSFORMERS),
  ...Object.values(MODULE_FOLDERS).map((folder) => `${folder}/${CONFIG_FILE}`),
  ...[CARD, CONFIG_FILE, GENERATION_CONFIG],
]);
const WEIGHTS = /^model[\w-]*\.safetensors(\.index\.json)?$/;

export const filesOfRun = async ({ path }: FinishedRun): Promise<ExportedFile[]> =>
  (await filesIn(path)).filter(({ name }) => NAMES.has(name) || WEIGHTS.test(name));

/** `bidora merge`: merges an adapter into its base model. */

import { inferenceMetadata, mergedParameters, writeAdapterMetadata } from "../adapters/index.js";
import { UsageError } from "../common/errors.js";
import { baseModel, overwrite, session } from "../config/index.js";
import { chosenTask } from "../datasets/choice.js";
import { fillFolder } from "../files/atomic.js";
import { holdOutput, refuseOccupied, removeOwnFiles } from "../files/outputFolder.js";
import { copyFiles } from "../files/runFolder.js";
import { type FoundModel, findModel, foldersOf, open } from "../inference/open.js";
import { storedDtype, writeModelFolder } from "../models/modelFolder.js";
import { text } from "../settings/kinds.js";
import { type Given, option } from "../settings/option.js";
import type { NamedTask } from "../tasks/index.js";
import { listTokenizerFiles } from "../text/index.js";
import { refuseBadWeights, weightsOf } from "../train/badWeights.js";
import { call, defineCommand, type Hooks } from "./command.js";

const options = {
  ...baseModel,
  output: option(text("DIR"), { group: "Output", help: "folder for the merged model" }),
  ...overwrite,
  ...session,
};

/** What `merge` takes: the flags of `bidora merge`, in camelCase. */
export type MergeSettings = Given<typeof options>;

export const mergeCommand = defineCommand({
  usage: "merge [--model M] --adapter A --output DIR",
  about: "Merges an adapter into its base model and saves a plain Hugging Face model.",
  options,
  hooks: ["task"],
  leavesFiles: true,
  async run(settings, hooks) {
    if (settings.adapter === undefined) throw new UsageError("--adapter is missing: name the adapter to merge.");
    const found = await findModel(settings);
    return holdOutput(settings.output, async (path) => {
      refuseOccupied(path, settings.overwrite, foldersOf(found));
      await writeMerged(path, found, hooks.task);
      return { path };
    });
  },
  show: ({ path }) => ({ value: { output: path }, text: `Merged model in ${path}` }),
});

/**
 * Merges an adapter into its base model and saves a plain model for transformers, in the base's dtype. Weights are merged in float32
 * (float64 for a float64 base). Nothing is written before everything is computed.
 * @returns the folder
 */
export const merge = (settings: MergeSettings, hooks: Pick<Hooks, "task"> = {}): Promise<{ readonly path: string }> =>
  call("merge", mergeCommand, settings, hooks);

async function writeMerged(path: string, found: FoundModel, own: NamedTask | undefined): Promise<void> {
  const source = found.folder;
  const dtype = storedDtype(source);
  const task = chosenTask(undefined, own);
  const opened = await open(found, { task, dtype: dtype === "float64" ? dtype : "float32" });
  refuseBadWeights({ folder: source, weights: weightsOf(opened.model) });
  const changed = opened.adapted ? mergedParameters(opened.adapted) : new Map();
  const tokenizerFiles = await listTokenizerFiles(source);
  const fill = (folder: string): void => {
    copyFiles(tokenizerFiles, source, folder);
    writeModelFolder(folder, { ...opened, source, dtype, changed, maxLength: opened.metadata?.maxLength });
    if (opened.metadata) writeAdapterMetadata(folder, inferenceMetadata(opened.metadata));
  };
  await fillFolder(path, fill, () => removeOwnFiles(path));
}

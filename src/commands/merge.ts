import { inferenceMetadata, mergedParameters, readAdapter, writeAdapterMetadata } from "../adapters/index.js";
import { UsageError } from "../common/errors.js";
import { type MergeSettings, mergeOptions, resolveSettings } from "../config/index.js";
import { askedTask } from "../datasets/index.js";
import { fillFolder } from "../files/atomic.js";
import { holdOutput, refuseOccupied, removeOwnFiles } from "../files/outputFolder.js";
import { copyFiles } from "../files/runFolder.js";
import { checkHooks, type InferenceHooks } from "../inference/openForUse.js";
import { baseFolder, openWithAdapter } from "../inference/openModel.js";
import { resolveModel } from "../io/resolveModel.js";
import { storedDtype, writeModelFolder } from "../models/modelFolder.js";
import type { NamedTask } from "../tasks/index.js";
import { listTokenizerFiles } from "../text/index.js";
import { refuseBadWeights, weightsOf } from "../train/badWeights.js";

/**
 * Writes base model and adapter as one plain model that transformers opens, in the base's dtype. Weights are merged in float32
 * (float64 for such a base). Nothing is written before all is computed.
 * @returns the folder
 */
export async function merge(
  given: MergeSettings,
  hooks: Pick<InferenceHooks, "task"> = {},
): Promise<{ readonly path: string }> {
  checkHooks("merge", hooks, "task");
  const settings = resolveSettings(mergeOptions, given);
  if (settings.adapter === undefined) throw new UsageError("--adapter is missing: name the adapter to merge.");
  const adapter = await resolveModel(settings.adapter);
  const source = await baseFolder(settings, await readAdapter(adapter));
  return holdOutput(settings.output, async (path) => {
    refuseOccupied(path, settings.overwrite, [source, adapter]);
    await writeMerged(path, source, adapter, hooks.task);
    return { path };
  });
}

async function writeMerged(path: string, source: string, adapter: string, own: NamedTask | undefined): Promise<void> {
  const dtype = storedDtype(source);
  const task = askedTask(undefined, own);
  const opened = await openWithAdapter({
    model: source,
    adapter,
    task,
    dtype: dtype === "float64" ? dtype : "float32",
  });
  refuseBadWeights({ folder: source, weights: weightsOf(opened.model) });
  const changed = opened.adapted ? mergedParameters(opened.adapted) : new Map();
  const tokenizerFiles = await listTokenizerFiles(source);
  const fill = (folder: string): void => {
    copyFiles(tokenizerFiles, source, folder);
    writeModelFolder(folder, { ...opened, source, dtype, changed });
    if (opened.metadata) writeAdapterMetadata(folder, inferenceMetadata(opened.metadata));
  };
  await fillFolder(path, fill, () => removeOwnFiles(path));
}

import { mergedParameters, readAdapter } from "./adapters/index.js";
import type { mergeOptions, Settings } from "./config.js";
import { UsageError } from "./errors.js";
import { replaceFolderAtomic } from "./io/atomic.js";
import { resolveModel } from "./io/resolveModel.js";
import { storedDtype, writeModelFolder } from "./modelFolder.js";
import { baseFolder, openWithAdapter } from "./openModel.js";
import { freeOutput } from "./outputFolder.js";
import { copyFiles } from "./runFolder.js";
import { listTokenizerFiles } from "./text/index.js";

export type MergeSettings = Pick<
  Settings<typeof mergeOptions>,
  "model" | "revision" | "adapter" | "output" | "overwrite"
>;

/**
 * Writes base model and adapter as one plain model that transformers opens, in the base's dtype. Weights are merged in float32
 * (float64 for such a base). The folder appears whole or not at all.
 * @returns the folder
 */
export async function merge(settings: MergeSettings): Promise<{ path: string }> {
  if (settings.adapter === undefined) throw new UsageError("--adapter is missing: name the adapter to merge.");
  const adapter = await resolveModel(settings.adapter);
  const source = await baseFolder(settings, await readAdapter(adapter));
  const path = freeOutput(settings.output, settings.overwrite, [source, adapter]);
  const dtype = storedDtype(source);
  const opened = await openWithAdapter({ model: source, adapter, dtype: dtype === "float64" ? dtype : "float32" });
  const changed = opened.adapted ? mergedParameters(opened.adapted) : new Map();
  const tokenizerFiles = await listTokenizerFiles(source);
  await replaceFolderAtomic(path, (folder) => {
    copyFiles(tokenizerFiles, source, folder);
    writeModelFolder(folder, { ...opened, source, dtype, changed });
  });
  return { path };
}

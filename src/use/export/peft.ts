/** Exports an adapter as a plain LoRA for PEFT: the truncated singular value decomposition of each weight's change. */
import { dirname } from "node:path";
import { CHAT_TEMPLATE } from "../../base/index.js";
import { copyFiles, fillFolder, holdOutput, refuseOccupied, removeOwnFiles } from "../../base/records/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import { type AdapterMetadata, inferenceMetadata, toLora, writeAdapter } from "../../models/adapters/index.js";
import type { NamedTask } from "../../tasks/index.js";
import { findModel, foldersOf, open, trainedTemplate } from "../inference/open.js";
import { describeLoss, type Exported, type ModelToExport, refuseBadMatrices, requireAdapter } from "./exporting.js";

interface PeftSettings extends ModelToExport {
  readonly rank?: number | undefined;
}

/** Writes an adapter as a plain LoRA of rank `rank`. */
export async function exportPeft(
  settings: PeftSettings,
  task: NamedTask | undefined,
  context?: HubContext,
): Promise<Exported> {
  requireAdapter(settings);
  const found = await findModel(settings, context);
  return holdOutput(settings.output, async (path) => {
    refuseOccupied(path, settings.overwrite, foldersOf(found));
    const { adapted, adapter } = await open(found, { task, dtype: "float32" });
    refuseBadMatrices(found.folder, adapted!);
    const lora = toLora(adapted!, settings.rank);
    const fill = (folder: string): void => {
      const template = trainedTemplate(found);
      if (template !== undefined) copyFiles([CHAT_TEMPLATE], dirname(template), folder);
      writeAdapter(folder, { ...adapter!, ...lora, metadata: metadataOf(adapter!.metadata) });
    };
    await fillFolder(path, fill, () => removeOwnFiles(path));
    return { path, note: describeLoss(lora), relativeError: lora.relativeError };
  });
}

/** Keeps the metadata about the adapter's use and its base, and drops the others about its training. */
function metadataOf(metadata: AdapterMetadata | undefined): AdapterMetadata | undefined {
  if (!metadata) return undefined;
  const { baseDtype, baseFormats, initLoraWeights } = metadata;
  return {
    ...inferenceMetadata(metadata),
    method: "lora",
    ...(baseDtype && { baseDtype }),
    ...(baseFormats && { baseFormats }),
    ...(initLoraWeights && { initLoraWeights }),
  };
}

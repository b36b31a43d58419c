/** Exports an adapter as a plain LoRA for PEFT: the truncated singular value decomposition of each weight's change. */

import { UsageError } from "../../base/index.js";
import { fillFolder, holdOutput, refuseOccupied, removeOwnFiles } from "../../base/records/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import {
  type AdapterMetadata,
  inferenceMetadata,
  type ModuleError,
  toLora,
  writeAdapter,
} from "../../models/adapters/index.js";
import { refuseBadWeights } from "../../models/index.js";
import type { NamedTask } from "../../tasks/index.js";
import { findModel, foldersOf, open } from "../inference/open.js";
import type { Exported } from "./gguf/exportModel.js";

interface PeftSettings {
  readonly model?: string | undefined;
  readonly revision?: string | undefined;
  readonly adapter?: string | undefined;
  readonly rank?: number | undefined;
  readonly output?: string | undefined;
  readonly overwrite: boolean;
}

/** Writes an adapter as a plain LoRA of rank `rank`. */
export async function exportPeft(
  settings: PeftSettings,
  task: NamedTask | undefined,
  context?: HubContext,
): Promise<Exported> {
  if (settings.adapter === undefined) throw new UsageError("--adapter is missing: name the adapter to export.");
  const found = await findModel(settings, context);
  return holdOutput(settings.output, async (path) => {
    refuseOccupied(path, settings.overwrite, foldersOf(found));
    const { adapted, adapter } = await open(found, { task, dtype: "float32" });
    if (!adapted || !adapter) throw new UsageError("--adapter is missing: name the adapter to export.");
    const weights = adapted.modules.map(({ path, layer }) => [`${path}.weight`, layer.weight.values] as const);
    refuseBadWeights({ folder: found.folder, weights });
    const lora = toLora(adapted, settings.rank);
    const fill = (folder: string): void =>
      writeAdapter(folder, { ...adapter, ...lora, metadata: metadataOf(adapter.metadata) });
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

/** The error of approximating an adapter's change of the weights by low-rank updates. */
interface LossOfRank {
  readonly modules: readonly ModuleError[];
  /** Over all modules together. */
  readonly relativeError: number;
}

/** Describes the loss in a sentence. */
export function describeLoss({ modules, relativeError }: LossOfRank): string {
  const worst = modules.reduce((a, b) => (b.relativeError > a.relativeError ? b : a));
  const rank = Math.max(...modules.map((module) => module.rank));
  if (relativeError === 0) return `Rank ${rank}: the change of the weights is kept exactly.`;
  return (
    `Rank ${rank}: the change of the weights is kept with a relative error of ${relativeError.toPrecision(3)} overall, ` +
    `at most ${worst.relativeError.toPrecision(3)} (${worst.path}).`
  );
}

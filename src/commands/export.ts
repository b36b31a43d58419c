import { type AdapterMetadata, inferenceMetadata, readAdapter, toLora, writeAdapter } from "../adapters/index.js";
import { UsageError } from "../common/errors.js";
import { type ExportSettings, exportOptions, resolveSettings, type Settings } from "../config/index.js";
import { askedTask } from "../datasets/index.js";
import { exportLora } from "../export/gguf/exportLora.js";
import { exportModel } from "../export/gguf/exportModel.js";
import { describeLoss } from "../export/lossOfRank.js";
import { fillFolder } from "../files/atomic.js";
import { holdOutput, refuseOccupied, removeOwnFiles } from "../files/outputFolder.js";
import { checkHooks, type InferenceHooks } from "../inference/openForUse.js";
import { baseFolder, openWithAdapter } from "../inference/openModel.js";
import { resolveModel } from "../io/resolveModel.js";
import type { NamedTask } from "../tasks/index.js";
import { refuseBadWeights } from "../train/badWeights.js";

type Resolved = Settings<typeof exportOptions>;

/** What `exportAdapter` wrote. */
export interface ExportResult {
  readonly path: string;
  /** How close the result is, or what it holds, in a sentence. */
  readonly note: string;
  /** Of an adapter: what is lost of its change of the weights. */
  readonly relativeError?: number;
}

/**
 * Writes an adapter in another format: `peft-lora`, a plain LoRA as PEFT has it, the truncated singular value decomposition of what
 * the adapter changes in each weight; `gguf-lora`, such a one, or LoRA's own tensors, for llama.cpp; `gguf`, merged with its base (or
 * the base alone) as one file for llama.cpp. Nothing is written before all is computed.
 */
export async function exportAdapter(
  given: ExportSettings,
  hooks: Pick<InferenceHooks, "task"> = {},
): Promise<ExportResult> {
  checkHooks("exportAdapter", hooks, "task");
  const settings = resolveSettings(exportOptions, given);
  const { to } = settings;
  if (to === undefined) throw new UsageError(`--to is missing: take ${exportOptions.to.takes}.`);
  const task = hooks.task && askedTask(undefined, hooks.task);
  if (to === "gguf") refuseSet(settings, "rank", to);
  if (to === "peft-lora") refuseSet(settings, "outtype", to);
  return FORMATS[to](settings, task);
}

const FORMATS = { "peft-lora": exportPeft, "gguf-lora": exportLora, gguf: exportModel };

/** @throws UsageError for a setting that would have no effect */
function refuseSet(settings: Resolved, key: "rank" | "outtype", to: string): void {
  if (settings[key] !== undefined) throw new UsageError(`No effect: --${key} is not for --to ${to}; leave it out.`);
}

async function exportPeft(settings: Resolved, task: NamedTask | undefined): Promise<ExportResult> {
  if (settings.adapter === undefined) throw new UsageError("--adapter is missing: name the adapter to export.");
  const adapter = await resolveModel(settings.adapter);
  const saved = await readAdapter(adapter);
  const source = await baseFolder(settings, saved);
  return holdOutput(settings.output, async (path) => {
    refuseOccupied(path, settings.overwrite, [source, adapter]);
    const { adapted } = await openWithAdapter({ model: source, adapter, task, dtype: "float32" });
    if (!adapted) throw new UsageError("--adapter is missing: name the adapter to export.");
    const weights = adapted.modules.map(({ path, layer }) => [`${path}.weight`, layer.weight.tensor] as const);
    refuseBadWeights({ folder: source, weights });
    const lora = toLora(adapted, settings.rank);
    const fill = (folder: string): void =>
      writeAdapter(folder, { ...saved, ...lora, metadata: sideOf(saved.metadata) });
    await fillFolder(path, fill, () => removeOwnFiles(path));
    return { path, note: describeLoss(lora), relativeError: lora.relativeError };
  });
}

/** What the adapter is used for stays; how it was trained does not describe the result. */
function sideOf(metadata: AdapterMetadata | undefined): AdapterMetadata | undefined {
  return metadata && { ...inferenceMetadata(metadata), method: "lora" };
}

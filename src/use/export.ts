import {
  type LoraApproximation,
  readAdapter,
  type SideFacts,
  toLora,
  useOnly,
  writeAdapter,
} from "../adapters/index.js";
import { UsageError } from "../common/errors.js";
import { type ExportSettings, exportOptions, resolveSettings } from "../config/index.js";
import { holdOutput, refuseOccupied } from "../folders/outputFolder.js";
import { removeOwnFiles } from "../folders/runFiles.js";
import { fillFolder } from "../io/atomic.js";
import { resolveModel } from "../io/resolveModel.js";
import { askedTask } from "../tasks/index.js";
import { refuseBadWeights } from "../train/badWeights.js";
import type { InferenceHooks } from "./evaluate.js";
import { baseFolder, openWithAdapter } from "./openModel.js";

/** What `exportAdapter` wrote. */
export interface ExportResult {
  readonly path: string;
  /** How close the result is, in a sentence. */
  readonly note: string;
  readonly relativeError: number;
}

/**
 * Writes a LoRA, DoRA or BiDoRA adapter as a plain PEFT LoRA: the truncated singular value decomposition of what the adapter
 * changes in each weight. Nothing is written before all is computed.
 */
export async function exportAdapter(
  given: ExportSettings,
  { task: own }: Pick<InferenceHooks, "task"> = {},
): Promise<ExportResult> {
  const settings = resolveSettings(exportOptions, given);
  if (settings.adapter === undefined) throw new UsageError("--adapter is missing: name the adapter to export.");
  if (settings.to === undefined) throw new UsageError("--to is missing: take peft-lora.");
  const adapter = await resolveModel(settings.adapter);
  const saved = await readAdapter(adapter);
  const source = await baseFolder(settings, saved);
  return holdOutput(settings.output, async (path) => {
    refuseOccupied(path, settings.overwrite, [source, adapter]);
    const task = askedTask(undefined, own);
    const { adapted } = await openWithAdapter({ model: source, adapter, task, dtype: "float32" });
    if (!adapted) throw new UsageError("--adapter is missing: name the adapter to export.");
    const weights = adapted.modules.map(({ path, layer }) => [`${path}.weight`, layer.weight.tensor] as const);
    refuseBadWeights({ folder: source, weights });
    const lora = toLora(adapted, settings.rank);
    const fill = (folder: string): void => writeAdapter(folder, { ...saved, ...lora, side: sideOf(saved.side) });
    await fillFolder(path, fill, () => removeOwnFiles(path));
    return { path, note: describe(lora), relativeError: lora.relativeError };
  });
}

/** What the adapter is used for stays; how it was trained does not describe the result. */
function sideOf(side: SideFacts | undefined): SideFacts | undefined {
  return side && { ...useOnly(side), method: "lora" };
}

function describe({ config, modules, relativeError }: LoraApproximation): string {
  const worst = modules.reduce((a, b) => (b.relativeError > a.relativeError ? b : a));
  return (
    `Rank ${config.rank}: the change of the weights is kept with a relative error of ${relativeError.toPrecision(3)} in all, ` +
    `at most ${worst.relativeError.toPrecision(3)} (${worst.path}).`
  );
}

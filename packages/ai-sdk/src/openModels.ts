import { existsSync } from "node:fs";
import { join } from "node:path";
import type { LoadSettings, Model } from "bidora";
import { asLoadError } from "./errors.js";

/** How a model is opened: the settings of bidora's `load`. The model's id names the model or the adapter, unless a setting does. */
export type ModelSettings = LoadSettings;

/** Files by which a folder is an adapter's. */
const ADAPTER_FILES = ["adapter_config.json", "bidora_adapter.safetensors"];

const isAdapter = (folder: string): boolean => ADAPTER_FILES.some((file) => existsSync(join(folder, file)));

/** Models that are open. Each is opened at its first use, once. */
export class OpenModels {
  readonly #models = new Map<string, Promise<Model>>();

  /** @throws AISDKError for a model that can't be opened; the next call tries again */
  open(id: string, settings: ModelSettings, kind: "languageModel" | "embeddingModel"): Promise<Model> {
    const named = isAdapter(id) && settings.adapter === undefined ? { adapter: id } : { model: id };
    const given = { ...named, ...settings };
    const key = JSON.stringify(Object.entries(given).sort());
    const known = this.#models.get(key);
    if (known) return known;
    const opening = load(given).catch((error: unknown) => {
      this.#models.delete(key);
      throw asLoadError(error, id, kind);
    });
    this.#models.set(key, opening);
    return opening;
  }

  /** Releases the weights of all models. Calls that run fail; a later call opens its model again. */
  async dispose(): Promise<void> {
    const models = [...this.#models.values()];
    this.#models.clear();
    for (const opening of await Promise.allSettled(models)) if (opening.status === "fulfilled") opening.value.dispose();
  }
}

async function load(settings: ModelSettings): Promise<Model> {
  const bidora = await import("bidora");
  return bidora.load(settings);
}

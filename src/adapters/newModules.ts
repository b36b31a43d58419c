import { isWithin } from "../nn/index.js";
import type { AdapterConfig } from "./config.js";
import { isSaved } from "./targets.js";

/** Layers of a model that are newly initialized, since the checkpoint has no weights for them. */
export interface NewModules {
  /** Paths of these layers. */
  readonly initialized: readonly string[];
  /** Paths of the modules that contain them and are trained and saved as a whole. */
  readonly trainedModules: readonly string[];
}

/** The newly initialized layers that a saved adapter has no weights for either. */
export function newLayers({ initialized }: NewModules, { modulesToSave }: AdapterConfig): readonly string[] {
  return initialized.filter((path) => !isSaved(path, modulesToSave));
}

/** The adapter's settings, with the modules of new layers added to `modulesToSave`. */
export function withNewModules<Config extends AdapterConfig>(config: Config, model: NewModules): Config {
  const layers = newLayers(model, config);
  const added = model.trainedModules.filter((module) => layers.some((path) => isWithin(path, module)));
  const kept = config.modulesToSave.filter((path) => !added.some((module) => isWithin(path, module)));
  return { ...config, modulesToSave: [...kept, ...added] };
}

import { isWithin } from "../nn/index.js";
import type { AdapterConfig } from "./config.js";
import { isSaved } from "./targets.js";

/** What of a model was drawn, as its checkpoint has no weights for it. */
export interface DrawnModules {
  /** Paths of the layers themselves. */
  readonly drawn: readonly string[];
  /** Paths of the modules that are trained and saved whole, which hold these layers. */
  readonly trainedModules: readonly string[];
}

/** Of what was drawn, the layers that an adapter does not bring: nothing else has trained them. */
export function newLayers({ drawn }: DrawnModules, { modulesToSave }: AdapterConfig): readonly string[] {
  return drawn.filter((path) => !isSaved(path, modulesToSave));
}

/** The adapter's settings with the modules of new layers among those trained and saved whole. */
export function withNewModules<Config extends AdapterConfig>(config: Config, model: DrawnModules): Config {
  const layers = newLayers(model, config);
  const added = model.trainedModules.filter((module) => layers.some((path) => isWithin(path, module)));
  const kept = config.modulesToSave.filter((path) => !added.some((module) => isWithin(path, module)));
  return { ...config, modulesToSave: [...kept, ...added] };
}

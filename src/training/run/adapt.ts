import type { HubContext } from "../../formats/hub/index.js";
import {
  ADAPTER_METHODS,
  type AdaptedModel,
  type AdapterMethod,
  attachAdapter,
  inject,
  type SavedAdapter,
  shareStart,
  startsFromWeights,
  trainEverything,
} from "../../models/adapters/index.js";
import { type LoadedModel, modelTypeOf } from "../../models/index.js";
import { METHODS, type RunConfig, type RunKey } from "../../tasks/config/index.js";
import type { Generator } from "../../torch/index.js";
import { firstBatches, type TrainingSetup } from "../loop/plans.js";
import { withOutputs } from "../steps/startOutputs.js";
import { injectFromRows, isRowStart, noteOnBatches } from "./startFromRows.js";

/** Makes the model trainable by the method: with a saved adapter, a new one, or all weights. */
export function adapt(
  loaded: LoadedModel,
  config: RunConfig,
  saved: SavedAdapter | undefined,
  made: { readonly generator: Generator; readonly dtype: "float32" | "float64" },
  ofTask: Pick<TrainingSetup, "rows" | "groups" | "upperRows" | "task" | "ranks">,
  { onNote }: HubContext,
): AdaptedModel {
  const { adapter } = METHODS[config.method];
  const { dtype } = made;
  if (adapter === undefined) return trainEverything(loaded.model, dtype);
  const method: AdapterMethod = ADAPTER_METHODS[adapter];
  if (saved) {
    const retuned = Object.fromEntries(method.retunable.map((key) => [key, config[key as RunKey]]));
    const own = { ...saved.config, ...retuned };
    return attachAdapter(loaded.model, { ...saved, config: own }, { ...made, newModules: loaded });
  }
  const { architecture } = loaded;
  const defaults = { ...architecture, modelType: modelTypeOf(architecture) };
  const targetModules = config.targetModules ?? method.defaultTargets?.(defaults) ?? architecture.defaultTargetModules;
  const own = method.fromSettings({ ...config, targetModules }, defaults);
  const adapterConfig = method.config({ ...own, modulesToSave: loaded.trainedModules });
  const { model } = loaded;
  if (isRowStart(config.initLoraWeights, method)) {
    const { task } = ofTask;
    const batches = firstBatches({ ...ofTask, model }, config, config.initBatches).map((rows) =>
      task.comparesWithStart ? withOutputs(task, model, task.arranged?.(rows) ?? rows) : rows,
    );
    onNote?.(noteOnBatches(config.initLoraWeights, batches));
    return injectFromRows(config.initLoraWeights, adapterConfig as never, { ...ofTask, model, batches }, made);
  }
  const adapted = inject(model, adapterConfig, made);
  if (startsFromWeights(adapterConfig)) shareStart(adapted.modules, ofTask.ranks);
  return adapted;
}

export { ADAPTER_WEIGHT_FILES } from "../../base/records/index.js";
export {
  type LowRankFactors,
  MAGNITUDE_AXES,
  type MagnitudeAxis,
  type NormGradient,
} from "../../torch/operators/index.js";
export {
  type AdaptedModel,
  type AdaptedModule,
  adaptsTransposed,
  type FinishedStep,
  freezeNorms,
  type SavedState,
  savedState,
  savedTensors,
  type TrainedRole,
  TrainedTensor,
  type TrainingHooks,
} from "./adapted.js";
export { Adapter, type Layer } from "./adapter.js";
export {
  type AdapterConfig,
  type Pattern,
  TARGET_DEFAULTS,
  type TargetedConfig,
  type TargetModules,
} from "./adapterConfig.js";
export {
  ADAPTER_METHODS,
  type AdapterMethodName,
  adapterOptions,
  methodOf,
  settingsOfAdapter,
} from "./adapterMethods.js";
export { attachAdapter, checkFit, type NewModules, newLayers } from "./attach.js";
export { trainEverything } from "./fullTraining.js";
export { eject, type InjectOptions, inject } from "./inject.js";
export { startFromError } from "./loftq.js";
export { LowRank, type LowRankMatrices } from "./lowRank.js";
export type { LowRankConfig, SavedStart } from "./lowRankConfig.js";
export { type AdaptedLayer, merge, mergedParameters, mergedWeight, refuseUnmerged } from "./merge.js";
export {
  type AdapterMetadata,
  findAdapterMetadata,
  inferenceMetadata,
  type LossFacts,
  type StoredMetadata,
  TRAIN_ON,
  writeAdapterMetadata,
} from "./metadata.js";
export type { AdapterMethod, LayerFacts, LayerPart, ModelDefaults, TensorSpec } from "./method.js";
export { type AdapterPlacement, Bottleneck } from "./methods/adapter.js";
export { type DoraConfig, doraConfig } from "./methods/dora.js";
export { type LoraConfig, loraConfig } from "./methods/lora.js";
export { scaleFactors, trainScales } from "./methods/scales.js";
export { isRegularized, OrthogonalityRegularizer } from "./orthogonality.js";
export {
  adaptedPaths,
  isAdapterFolder,
  readAdapter,
  type SavedAdapter,
  whyNotPeft,
  writeAdapter,
} from "./peft/adapterFolder.js";
export type { AdapterOrigin } from "./peft/peftConfig.js";
export { AdapterRoutes } from "./routes.js";
export { doubling } from "./starts/doubled.js";
export { evaStart, type InputPasses } from "./starts/eva.js";
export { type GradientPasses, loraGaStart } from "./starts/loraGa.js";
export { beginFrom, setStart, shareStart, startsFromWeights } from "./starts/start.js";
export { findTargets, type Slot, type SlotBase, targetSlots } from "./targets.js";
export {
  isInGroup,
  isLowRankEmbedding,
  isRaisedByLoraPlus,
  kindAndLayer,
  type TensorGroup,
} from "./tensorGroups.js";
export { type LowRankUpdate, lowRankUpdates, type ModuleError, toLora, trainedOutsideUpdates } from "./toLora.js";
export { weightChange } from "./weightChange.js";

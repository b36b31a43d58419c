export { ADAPTER_FILES, ADAPTER_WEIGHT_FILES } from "../files/names.js";
export { MAGNITUDE_AXES, type MagnitudeAxis, NORM_GRADIENTS, type NormGradient } from "../operators/directionNorm.js";
export type { LowRankFactors } from "../operators/lowRankLinear.js";
export type { FinishedStep, SavedState, TrainingHooks } from "./adapted.js";
export {
  type AdaptedModel,
  type AdaptedModule,
  adaptsTransposed,
  freezeNorms,
  savedState,
  savedTensors,
  type TrainedRole,
  TrainedTensor,
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
export { eject, type InjectOptions, inject, reinject } from "./inject.js";
export { startFromError } from "./loftq.js";
export { LowRank } from "./lowRank.js";
export { type LowRankConfig, rankAndScale } from "./lowRankConfig.js";
export { type AdaptedLayer, merge, mergedBias, mergedParameters, mergedWeight, refuseUnmerged } from "./merge.js";
export {
  type AdapterMetadata,
  findAdapterMetadata,
  inferenceMetadata,
  type StoredMetadata,
  writeAdapterMetadata,
} from "./metadata.js";
export type {
  AdapterCodec,
  AdapterMethod,
  LayerFacts,
  LayerPart,
  MethodSettings,
  ModelDefaults,
  TensorSpec,
} from "./method.js";
export { type AdaloraConfig, adaloraConfig } from "./methods/adaloraConfig.js";
export { ADAPTER_PLACEMENTS, type AdapterPlacement, Bottleneck, type BottleneckConfig } from "./methods/adapter.js";
export { type DoraConfig, DoraEmbedding, DoraLinear, doraConfig } from "./methods/dora.js";
export { type LoraConfig, loraConfig } from "./methods/lora.js";
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
export { AdapterRoutes, type Route } from "./routes.js";
export { findTargets, type Slot, type SlotBase, targetSlots } from "./targets.js";
export {
  type LoraApproximation,
  type LowRankUpdate,
  type LowRankUpdates,
  lowRankUpdates,
  type ModuleError,
  toLora,
  trainedOutsideUpdates,
} from "./toLora.js";
export { type WeightChange, weightChange } from "./weightChange.js";

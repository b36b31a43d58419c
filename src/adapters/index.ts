export {
  type AdaptedModel,
  type AdaptedModule,
  adapterTensors,
  lowRankOf,
  magnitudeOf,
  type TrainedRole,
  TrainedTensor,
} from "./adapted.js";
export { attachAdapter } from "./attach.js";
export {
  type AdapterConfig,
  type DoraConfig,
  doraConfig,
  type FullConfig,
  type InjectedConfig,
  type LoraConfig,
  type LowRankConfig,
  loraConfig,
  type Pattern,
  rankAndScale,
  type TargetModules,
} from "./config.js";
export { DoraLinear, type MagnitudeAxis, type NormGradient } from "./dora.js";
export { type DrawnModules, newLayers } from "./drawnModules.js";
export { DoraEmbedding, LoraEmbedding } from "./embedding.js";
export { trainEverything } from "./full.js";
export { holdNorms } from "./holdNorms.js";
export { eject, type InjectOptions, inject, reinject } from "./inject.js";
export { LoraLinear } from "./lora.js";
export { LowRank } from "./lowRank.js";
export { merge, mergedBias, mergedParameters, mergedWeight } from "./merge.js";
export { OrthogonalityRegularizer } from "./orthogonality.js";
export type { AdapterOrigin } from "./peft/config.js";
export {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  isAdapterFolder,
  isForPeft,
  OWN_WEIGHTS,
  readAdapter,
  type SavedAdapter,
  writeAdapter,
} from "./peft/format.js";
export {
  readSideFile,
  SIDE_FILE,
  type SideFacts,
  type SideFile,
  sideFactsOf,
  useOnly,
  writeSideFile,
} from "./peft/sideFile.js";
export { adaptedPaths, readAdapterTensors } from "./peft/tensors.js";
export { findTargets } from "./targets.js";
export { type LoraApproximation, type ModuleError, toLora } from "./toLora.js";

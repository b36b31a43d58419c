export { type Architecture, buildModel, checkpointNames, classNameOf, designOf, findDesign } from "./architecture.js";
export { ARCHITECTURES, architectureOf, hasHead, type ModelType, modelTypeOf } from "./architectures.js";
export { Backbone, type ModelConfig, type ModelInput, modelInput, rowsOfTokens } from "./backbone.js";
export type { LayerType } from "./configReader.js";
export { ConfigReader, configError } from "./configReader.js";
export type { DecoderConfig } from "./decoderConfig.js";
export type { EncoderConfig } from "./encoder.js";
export { type Head, type HeadDesign, type HeadKind, linearHead, NO_HEAD, type Reads } from "./heads.js";
export {
  checkLayers,
  emptyModel,
  INIT_WEIGHTS,
  type LoadedModel,
  type LoadModelOptions,
  loadFolder,
  loadModel,
} from "./loadModel.js";
export { DENSE, type MatrixFormats, matrixFormats } from "./matrixFormats.js";
export { storedDtype, untied, writeModelConfig, writeModelFolder } from "./modelFolder.js";
export {
  blamingBadWeights,
  namingBadWeights,
  namingBadWeightsIn,
  type OwnWeights,
  outputNotFinite,
  refuseBadWeights,
  weightsIn,
} from "./notFinite.js";
export { withOriginalWeights } from "./originalWeights.js";
export { linearPaths, Packing } from "./packing.js";
export { pooled } from "./pooling.js";
export type { Rope } from "./rope.js";
export { aModel, TaskModel } from "./taskModel.js";
export { WeightSource } from "./weightSource.js";

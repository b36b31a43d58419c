export { type Architecture, buildModel, checkpointNames, classNameOf, designOf, findDesign } from "./architecture.js";
export { architectureOf, hasHead, type ModelType, modelTypeOf } from "./architectures.js";
export { Backbone, type ModelConfig, type ModelInput, modelInput, rowsOfTokens } from "./backbone.js";
export { type Branches, branchedInput, type TokenSpan } from "./branches.js";
export { ConfigReader, configError, type LayerType } from "./configReader.js";
export type { DecoderConfig } from "./decoderConfig.js";
export type { EncoderConfig } from "./encoder.js";
export {
  type Head,
  type HeadDesign,
  type HeadKind,
  type InitialWeights,
  linearHead,
  NO_HEAD,
  type Reads,
} from "./heads.js";
export { DENSE, type MatrixFormats, matrixFormats } from "./loading/holdings.js";
export {
  checkLayers,
  INIT_WEIGHTS,
  type LoadedModel,
  type LoadModelOptions,
  loadFolder,
  loadModel,
} from "./loading/loadModel.js";
export {
  linearPaths,
  Packing,
  storedDtype,
  untied,
  writeModelConfig,
  writeModelFolder,
  writeSentenceTransformersFiles,
} from "./loading/modelFolder.js";
export { WeightSource, withOriginalWeights } from "./loading/weightSource.js";
export {
  blamingBadWeights,
  namingBadWeights,
  namingBadWeightsIn,
  type OwnWeights,
  outputNotFinite,
  refuseBadWeights,
  weightsIn,
} from "./notFinite.js";
export type { Rope } from "./rope.js";
export { aModel, pooled, TaskModel } from "./taskModel.js";

// The building blocks of models and adapters.
export {
  type CachedPart,
  type CachedRows,
  type DropoutMask,
  type LinearOperands,
  type MaskKey,
  type NormFactors,
  paddedRows,
  type RotaryTables,
  type RowLayout,
  rotaryTables,
  rotate,
  rowLayout,
} from "../../torch/operators/index.js";
export {
  type Activation,
  type ActivationKind,
  activation,
  activationKind,
  type GatedActivation,
  gatedActivation,
} from "./activations.js";
export {
  type AttendOptions,
  type AttentionWindow,
  attend,
  type CausalOptions,
  causalAttention,
  type EarlierKeys,
  type SharedKeys,
} from "./attention.js";
export {
  Dropout,
  EVALUATION,
  type ForwardContext,
  type MaskSource,
  type OwnPart,
  ofTable,
  SeededMasks,
} from "./context.js";
export { CACHE_DTYPES, type CacheDtype, KeyValueCache } from "./keyValueCache.js";
export {
  Embedding,
  type EmbeddingAdapter,
  Linear,
  type LinearAdapter,
  OutputLinear,
  packLinears,
  partsOf,
  projectTogether,
} from "./linear.js";
export {
  binaryCrossEntropy,
  crossEntropy,
  IGNORED_LABEL,
  linearCrossEntropies,
  linearCrossEntropy,
  meanSquaredError,
  tokenLosses,
} from "./losses.js";
export { DerivedTensor, isWithin, isWithinAny, Module, ModuleList, Parameter, transposed } from "./module.js";
export {
  addAndNorm,
  addThenNorm,
  LayerNorm,
  Norm,
  type NormedSum,
  normalize,
  OffsetRmsNorm,
  type ResidualOptions,
  RmsNorm,
  SMALLEST_NORM,
  type SubLayerOutputs,
} from "./norm.js";
export {
  BASE_DTYPES,
  type BaseDtype,
  isPacked,
  PACKED_DTYPES,
  W8A8,
  WEIGHT_FORMATS,
  type WeightFormat,
} from "./weights/formats.js";
export type { Weight } from "./weights/weight.js";
export { DenseWeight, PackedWeight } from "./weights/weight.js";

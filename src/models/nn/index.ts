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
  type LayerCache,
} from "./attention.js";
export { Dropout, EVALUATION, type ForwardContext, type MaskSource, type OwnPart, SeededMasks } from "./context.js";
export { Embedding, type EmbeddingAdapter, OutputLinear } from "./embedding.js";
export { CACHE_DTYPES, type CacheDtype, KeyValueCache } from "./keyValueCache.js";
export { Linear, type LinearAdapter, packLinears, partsOf, projectTogether } from "./linear.js";
export {
  binaryCrossEntropy,
  crossEntropy,
  IGNORED_LABEL,
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
  OffsetRmsNorm,
  type ResidualOptions,
  RmsNorm,
  type SubLayerOutputs,
} from "./norm.js";
export { normalize, SMALLEST_NORM } from "./normalize.js";
export { DenseWeight } from "./weights/dense.js";
export {
  BASE_DTYPES,
  type BaseDtype,
  isPacked,
  PACKED_DTYPES,
  W8A8,
  WEIGHT_FORMATS,
  type WeightFormat,
} from "./weights/formats.js";
export { PackedWeight } from "./weights/packed.js";
export type { Weight } from "./weights/weight.js";

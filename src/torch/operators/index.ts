export { gelu, geluMul, silu, siluMul } from "./activation.js";
export { attention } from "./attention/attention.js";
export {
  attentionCached,
  type CachedPart,
  type CachedRows,
  type CachedSpans,
  writeRows,
} from "./attention/attentionCached.js";
export type { AttentionLimits, AttentionOptions } from "./attention/plainAttention.js";
export { type RotaryTables, rotaryTables, rotate } from "./attention/rotary.js";
export { paddedRows, type RowLayout, rowLayout } from "./attention/rows.js";
export { checkpoint } from "./checkpoint.js";
export { arithmetic, canRoundInputs, twiceDifferentiable, usesKernel } from "./choose.js";
export { type DropoutMask, dropout, type MaskKey, streamOf } from "./dropout.js";
export {
  type Direction,
  directionBase,
  directionGain,
  directionNorm,
  directionNormByFormula,
  gainOf,
  MAGNITUDE_AXES,
  type MagnitudeAxis,
  NORM_GRADIENTS,
  type NormGradient,
  squaredNorm,
} from "./linear/directionNorm.js";
export { type LinearOperands, linear, linears } from "./linear/linear.js";
export { linearCrossEntropies, linearCrossEntropy } from "./linear/linearCrossEntropy.js";
export { addLowRank, afterLinear, type LowRankFactors, lowRankLinear } from "./linear/lowRankLinear.js";
export { gramOf, orthogonality } from "./linear/orthogonality.js";
export { dropoutAddNorm, type NormFactors, rowNorm } from "./norms.js";

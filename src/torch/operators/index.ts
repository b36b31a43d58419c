export { gelu, geluMul, silu, siluMul } from "./activation.js";
export { attention } from "./attention.js";
export { attentionCached, type CachedPart, type CachedRows, type CachedSpans, writeRows } from "./attentionCached.js";
export { checkpoint } from "./checkpoint.js";
export { arithmetic, canRoundInputs, twiceDifferentiable, usesKernel } from "./choose.js";
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
} from "./directionNorm.js";
export { type DropoutMask, dropout } from "./dropout.js";
export { type LinearOperands, linear, linears } from "./linear.js";
export { linearCrossEntropy } from "./linearCrossEntropy.js";
export { addLowRank, afterLinear, type LowRankFactors, lowRankLinear } from "./lowRankLinear.js";
export { dropoutAddNorm, type NormFactors, rowNorm } from "./norms.js";
export { gramOf, orthogonality } from "./orthogonality.js";
export { type MaskKey, streamOf } from "./philox.js";
export type { AttentionLimits, AttentionOptions } from "./plainAttention.js";
export { type RotaryTables, rotaryTables, rotate } from "./rotary.js";
export { paddedRows, type RowLayout, rowLayout } from "./rows.js";

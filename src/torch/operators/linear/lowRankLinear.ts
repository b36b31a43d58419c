// A frozen linear layer with its low-rank update and DoRA's gain: y = (x·Wᵀ + s·(x̃·Aᵀ)·Bᵀ) ∘ c + b.
// Shapes: x and x̃ [N, in], W [out, in], A [r, in], B [out, r], b and c [out].
import * as torch from "../../index.js";
import { usesKernel } from "../choose.js";
import { type LinearOperands, linear } from "./linear.js";

/** A low-rank update s·B·A. */
export interface LowRankFactors {
  readonly a: torch.Tensor;
  readonly b: torch.Tensor;
  readonly scale: number;
}

interface LowRankOptions {
  /** c; 1 by default. */
  readonly gain?: torch.Tensor | undefined;
  /** x̃, the input of the low-rank branch; x by default. */
  readonly branch?: torch.Tensor | undefined;
}

const KERNEL = { isTwiceDifferentiable: false };

/** @returns y, [N, out] */
export function lowRankLinear(
  x: torch.Tensor,
  layer: LinearOperands,
  factors: LowRankFactors,
  { gain, branch }: LowRankOptions = {},
): torch.Tensor {
  const { weight, bias, packed = null } = layer;
  const { a, b, scale } = factors;
  if (usesKernel(KERNEL, x)) {
    const options = { ...(gain && { gain }), ...(branch && { branch }), packed };
    return torch.lowRankLinear(x, weight, bias, a, b, scale, options);
  }
  return afterLinear(linear(x, layer), branch ?? x, factors, { gain, bias });
}

/** The same from the layer's own output x·Wᵀ + b, `base`: [N, out] → [N, out]. @param x the input of the low-rank branch */
export function afterLinear(
  base: torch.Tensor,
  x: torch.Tensor,
  factors: LowRankFactors,
  { gain, bias = null }: Pick<LowRankOptions, "gain"> & { readonly bias?: torch.Tensor | null },
): torch.Tensor {
  const y = addLowRank(base, x, factors);
  return gain ? withGain(y, bias, gain) : y;
}

/** (y − b) ∘ c + b, computed as z + z ∘ (c − 1), which changes no bit of z where c is 1. */
function withGain(y: torch.Tensor, bias: torch.Tensor | null, gain: torch.Tensor): torch.Tensor {
  const less = torch.castTo(torch.subScalar(gain, 1), y.dtype);
  return torch.addcmul(y, bias ? torch.sub(y, bias) : y, less);
}

/** base + s·(x·Aᵀ)·Bᵀ in the dtype of x. x: [N, in], base: [N, out] */
export function addLowRank(base: torch.Tensor, x: torch.Tensor, { a, b, scale }: LowRankFactors): torch.Tensor {
  const reduced = torch.linear(x, torch.castTo(a, x.dtype)); // N,r
  return torch.addmm(base, reduced, torch.t(torch.castTo(b, x.dtype)), { alpha: scale });
}

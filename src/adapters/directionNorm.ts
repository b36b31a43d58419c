// Norms of the direction V = W0 + s·B·A without building it. W0: [out, in], A: [r, in], B: [out, r].
import { castTo } from "../nn/index.js";
import * as torch from "../torch/index.js";
import type { LowRank } from "./lowRank.js";

/** One magnitude for each output row (norm over `in`), or for each input column (norm over `out`). */
export const MAGNITUDE_AXES = ["out", "in"] as const;
/** What has a magnitude each: an output (a row of the weight), or an input (a column). */
export type MagnitudeAxis = (typeof MAGNITUDE_AXES)[number];

/** Whether gradients flow through ‖V‖ (BiDoRA's reference), or take it as a constant (DoRA section 4.3, PEFT). */
export const NORM_GRADIENTS = ["detached", "full"] as const;
/** Whether gradients go through the norm of the direction, or take it for a constant. */
export type NormGradient = (typeof NORM_GRADIENTS)[number];

/** A sum below this share of its positive terms has lost too many digits, and is computed from V itself. */
export const CANCELLATION = 1e-3;

/** A direction no longer than this has no unit vector: it counts as zero. */
const SMALLEST = 1e-12;

/** Squares of norms are at least this, so that a root has a slope: its own is below `SMALLEST`. */
export const SMALLEST_SQUARE = 1e-26;

/** ‖w0‖² along the axis, in the dtype of the trained tensors: [out] or [in]. */
export function squaredBaseNorm(weight: torch.Tensor, axis: MagnitudeAxis, dtype: torch.DType): torch.Tensor {
  return torch.sumDim(torch.square(castTo(weight, dtype)), [axis === "out" ? 1 : 0]);
}

/** The same as `directionNorm` wants it, computed once for a layer: rows of zeros do not look like terms that cancel. */
export function directionBase(weight: torch.Tensor, axis: MagnitudeAxis, dtype: torch.DType): torch.Tensor {
  const compute = () => torch.clampMin(squaredBaseNorm(weight, axis, dtype), SMALLEST_SQUARE);
  return torch.keep(torch.noGrad(() => torch.scope(compute)));
}

/** m / ‖V‖, and 0 where V is zero, so that nothing comes of nothing, and no gradient either. */
export function gainOf(magnitude: torch.Tensor, norm: torch.Tensor): torch.Tensor {
  const isZero = torch.noGrad(() => torch.leScalar(norm, SMALLEST));
  return torch.div(magnitude, torch.maskedFill(norm, isZero, Infinity));
}

/** ‖V‖ along the axis "out" in one operator, which has no second derivative. */
export function fusedDirectionNorm(weight: torch.Tensor, squaredBase: torch.Tensor, lowRank: LowRank): torch.Tensor {
  const { a, b, scale } = lowRank;
  return torch.directionNorm(weight, squaredBase, a, b, scale, CANCELLATION, SMALLEST);
}

/** m / ‖V‖ along the axis "out" in one operator, which has no second derivative. */
export function fusedGain(
  weight: torch.Tensor,
  squaredBase: torch.Tensor,
  lowRank: LowRank,
  magnitude: torch.Tensor,
  normGradient: NormGradient,
): torch.Tensor {
  const { a, b, scale } = lowRank;
  const constantNorm = normGradient === "detached";
  return torch.directionGain(weight, squaredBase, a, b, magnitude, scale, CANCELLATION, SMALLEST, { constantNorm });
}

/**
 * ‖V‖ along the axis: [out] or [in], in the dtype of A.
 *
 *     out:  n_i² = ‖w0_i‖² + 2s·⟨(W0·Aᵀ)_i, B_i⟩ + s²·B_i·(A·Aᵀ)·B_iᵀ
 *     in:   n_j² = ‖w0_:j‖² + 2s·⟨(W0ᵀ·B)_j, A_:j⟩ + s²·A_:jᵀ·(BᵀB)·A_:j
 *
 * A narrow weight is widened: products rounded to its digits would drown what terms that cancel leave.
 */
export function directionNorm(
  weight: torch.Tensor,
  squaredBase: torch.Tensor,
  lowRank: LowRank,
  axis: MagnitudeAxis,
): torch.Tensor {
  const { a, b, scale } = lowRank;
  const cross = axis === "out" ? crossTermOut(weight, a, b) : crossTermIn(weight, a, b);
  const own = axis === "out" ? ownTermOut(a, b) : ownTermIn(a, b);
  const positive = torch.add(squaredBase, own, { alpha: scale * scale });
  const squared = torch.add(positive, cross, { alpha: 2 * scale });
  if (hasCancelled(squared, positive)) return denseNorm(weight, lowRank, axis);
  return torch.sqrt(squared);
}

function crossTermOut(weight: torch.Tensor, a: torch.Tensor, b: torch.Tensor): torch.Tensor {
  const projected = torch.linear(castTo(weight, a.dtype), a); // out,r
  return torch.sumDim(torch.mul(projected, b), [1]);
}

function ownTermOut(a: torch.Tensor, b: torch.Tensor): torch.Tensor {
  return torch.sumDim(torch.mul(torch.mm(b, torch.mm(a, torch.t(a))), b), [1]);
}

function crossTermIn(weight: torch.Tensor, a: torch.Tensor, b: torch.Tensor): torch.Tensor {
  const projected = torch.mm(torch.t(b), castTo(weight, b.dtype)); // r,in
  return torch.sumDim(torch.mul(projected, a), [0]);
}

function ownTermIn(a: torch.Tensor, b: torch.Tensor): torch.Tensor {
  return torch.sumDim(torch.mul(torch.mm(torch.mm(torch.t(b), b), a), a), [0]);
}

/** True where a squared norm has lost too many of its positive terms' digits. */
export function hasCancelled(squared: torch.Tensor, positive: torch.Tensor): boolean {
  return torch.noGrad(() => {
    const smallest = torch.min(torch.sub(squared, positive, { alpha: CANCELLATION }));
    const lost = smallest.item() <= 0;
    smallest.dispose();
    return lost;
  });
}

/** The definition, for directions that all but cancel the weight; at zero its slope counts as zero. */
function denseNorm(weight: torch.Tensor, lowRank: LowRank, axis: MagnitudeAxis): torch.Tensor {
  const direction = torch.add(castTo(weight, lowRank.a.dtype), lowRank.product());
  return torch.sqrt(torch.clampMin(squaredBaseNorm(direction, axis, direction.dtype), SMALLEST_SQUARE));
}

import * as torch from "../../torch/index.js";
import type { MagnitudeAxis } from "../../torch/operators/index.js";

/** The distance between two weights in magnitude and in direction: DoRA (arXiv 2402.09353), section 3.2. */
export interface WeightChange {
  /** ΔM = Σ_n |m_n − m0_n| / k, in the units of the weight. */
  readonly deltaM: number;
  /** ΔD = Σ_n (1 − cos(V_n, W0_n)) / k, from 0 to 2. */
  readonly deltaD: number;
}

/**
 * ΔM and ΔD between two weights, in float64. W = m ⊙ V has k vectors V_n of unit length: its rows by the axis `out`, its columns by
 * `in`, which is the paper's formula (W ∈ R^{d×k} with d outputs and k inputs, norms of columns). 1 − cos(a, b) is computed as
 * ½‖a − b‖² of the unit vectors, which avoids cancellation for nearly equal vectors. A vector of zeros has no direction: it adds
 * nothing to ΔD.
 * @param before, after [out, in], of any dtype
 * @param rounding relative tolerance: if no length (or no direction) changed by more, the mean is 0
 */
export function weightChange(
  before: torch.Tensor,
  after: torch.Tensor,
  axis: MagnitudeAxis,
  rounding: number,
): WeightChange {
  const compute = () => {
    const [start, end] = [parts(before, axis), parts(after, axis)];
    return { deltaM: lengthChange(start.norm, end.norm, rounding), deltaD: turn(start, end, axis, rounding) };
  };
  return torch.noGrad(() => torch.scope(compute));
}

/** Norms [k], and unit (or zero) vectors in a matrix [out, in]. */
interface Parts {
  readonly norm: torch.Tensor;
  readonly unit: torch.Tensor;
}

const alongOf = (axis: MagnitudeAxis): 0 | 1 => (axis === "out" ? 1 : 0);

function parts(weight: torch.Tensor, axis: MagnitudeAxis): Parts {
  const wide = torch.castTo(weight, "float64");
  const norm = torch.linalgVectorNorm(wide, 2, [alongOf(axis)]); // k
  const divisor = torch.maskedFill(norm, torch.eqScalar(norm, 0), Infinity);
  return { norm, unit: torch.div(wide, torch.unsqueeze(divisor, alongOf(axis))) };
}

function lengthChange(before: torch.Tensor, after: torch.Tensor, rounding: number): number {
  const moved = torch.abs(torch.sub(after, before));
  const beyond = torch.max(torch.sub(moved, before, { alpha: rounding })).item();
  return beyond <= 0 ? 0 : torch.sum(moved).item() / moved.numel;
}

function turn(before: Parts, after: Parts, axis: MagnitudeAxis, rounding: number): number {
  const chords = torch.sumDim(torch.square(torch.sub(after.unit, before.unit)), [alongOf(axis)]); // k
  const hasNone = torch.logicalOr(torch.eqScalar(before.norm, 0), torch.eqScalar(after.norm, 0));
  const turned = torch.maskedFill(torch.mulScalar(chords, 0.5), hasNone, 0);
  const largest = torch.max(turned).item();
  return largest <= 0.5 * rounding * rounding ? 0 : torch.sum(turned).item() / turned.numel;
}

// Norms of the direction V = W + s·B·A, computed without V, and DoRA's gain c = m / ‖V‖. Tangents: ċ = (ṁ − c·ṅ) / n and
// ġ_m = (ġ − g·ṅ/n) / n with n = ‖V‖.
// Shapes: W [out, in], A [r, in], B [out, r]; n, m and c are [out] or [in], depending on the axis.
import * as calls from "../../generated/recordedCalls.js";
import * as torch from "../../index.js";
import { usesKernel } from "../choose.js";
import { byFormula } from "../formulaRule.js";
import { type ForwardState, type Rule, smallestAbs } from "../rule.js";
import type { LowRankFactors } from "./lowRankLinear.js";

/** One magnitude per output row (norm over `in`), or per input column (norm over `out`). */
export const MAGNITUDE_AXES = ["out", "in"] as const;
/** Whether each output (a row of the weight) or each input (a column) has a magnitude. */
export type MagnitudeAxis = (typeof MAGNITUDE_AXES)[number];

/** Whether gradients flow through ‖V‖ (BiDoRA's reference) or treat it as a constant (DoRA section 4.3, PEFT). */
export const NORM_GRADIENTS = ["detached", "full"] as const;
/** Whether gradients flow through the direction's norm ("full") or treat it as a constant ("detached"). */
export type NormGradient = (typeof NORM_GRADIENTS)[number];

/** If a sum is below this share of its positive terms, it has lost too many digits and is computed from V instead. */
export const CANCELLATION = 1e-3;

/** A direction whose norm is at most this counts as zero: it has no unit vector. */
const SMALLEST = 1e-12;

/** The floor of squared norms. It is below SMALLEST², so that the root still counts as zero but has a finite derivative. */
export const SMALLEST_SQUARE = 1e-26;

/** ‖w‖² along the axis, in a dtype: [out] or [in]. */
export function squaredNorm(weight: torch.Tensor, axis: MagnitudeAxis, dtype: torch.DType): torch.Tensor {
  return torch.sumDim(torch.square(torch.castTo(weight, dtype)), [axis === "out" ? 1 : 0]);
}

/** ‖w‖² for `directionNorm`, computed once per layer. Its floor keeps rows of zeros from being mistaken for cancellation. */
export function directionBase(weight: torch.Tensor, axis: MagnitudeAxis, dtype: torch.DType): torch.Tensor {
  const compute = () => torch.clampMin(squaredNorm(weight, axis, dtype), SMALLEST_SQUARE);
  return torch.keep(torch.noGrad(() => torch.scope(compute)));
}

/** A frozen weight with its low-rank update: W, its squared norms from `directionBase`, A, B and s. */
export interface Direction extends LowRankFactors {
  readonly weight: torch.Tensor;
  readonly squaredBase: torch.Tensor;
}

/** The kernels support only the axis "out". */
const KERNEL = { isTwiceDifferentiable: false };

/** ‖V‖ along the axis: [out] or [in], in the dtype of A. */
export function directionNorm(direction: Direction, axis: MagnitudeAxis): torch.Tensor {
  if (axis === "in" || !usesKernel(direction.weight, KERNEL)) return directionNormByFormula(direction, axis);
  const { weight, squaredBase, a, b, scale } = direction;
  return torch.directionNorm(weight, squaredBase, a, b, scale, CANCELLATION, SMALLEST);
}

/** m / ‖V‖ along the axis "out". */
export function directionGain(direction: Direction, magnitude: torch.Tensor, normGradient: NormGradient): torch.Tensor {
  const constantNorm = normGradient === "detached";
  if (!usesKernel(direction.weight, KERNEL)) {
    const compute = () => directionNormByFormula(direction, "out");
    return gainOf(magnitude, constantNorm ? torch.noGrad(compute) : compute());
  }
  const { weight, squaredBase, a, b, scale } = direction;
  return torch.directionGain(weight, squaredBase, a, b, magnitude, scale, CANCELLATION, SMALLEST, { constantNorm });
}

/** m / n, and 0 where n counts as zero: such a direction stays zero and has no gradient. */
export function gainOf(magnitude: torch.Tensor, norm: torch.Tensor): torch.Tensor {
  return torch.div(magnitude, withoutZeros(norm));
}

function withoutZeros(norm: torch.Tensor): torch.Tensor {
  const isZero = torch.noGrad(() => torch.leScalar(norm, SMALLEST));
  return torch.maskedFill(norm, isZero, Number.POSITIVE_INFINITY);
}

/**
 *     out:  n_i² = ‖w_i‖² + 2s·⟨(W·Aᵀ)_i, B_i⟩ + s²·B_i·(A·Aᵀ)·B_iᵀ
 *     in:   n_j² = ‖w_:j‖² + 2s·⟨(Wᵀ·B)_j, A_:j⟩ + s²·A_:jᵀ·(BᵀB)·A_:j
 *
 * A half-precision weight is cast to A's dtype, as rounding the products would swamp the difference of terms that cancel.
 */
export function directionNormByFormula(direction: Direction, axis: MagnitudeAxis): torch.Tensor {
  const { weight, squaredBase, a, b, scale } = direction;
  const cross = axis === "out" ? crossTermOut(weight, a, b) : crossTermIn(weight, a, b);
  const own = axis === "out" ? ownTermOut(a, b) : ownTermIn(a, b);
  const positive = torch.add(squaredBase, own, { alpha: scale * scale });
  const squared = torch.add(positive, cross, { alpha: 2 * scale });
  if (hasCancelled(squared, positive)) return denseNorm(direction, axis);
  return torch.sqrt(squared);
}

function crossTermOut(weight: torch.Tensor, a: torch.Tensor, b: torch.Tensor): torch.Tensor {
  const projected = torch.linear(torch.castTo(weight, a.dtype), a); // out,r
  return torch.sumDim(torch.mul(projected, b), [1]);
}

function ownTermOut(a: torch.Tensor, b: torch.Tensor): torch.Tensor {
  return torch.sumDim(torch.mul(torch.mm(b, torch.mm(a, torch.t(a))), b), [1]);
}

function crossTermIn(weight: torch.Tensor, a: torch.Tensor, b: torch.Tensor): torch.Tensor {
  const projected = torch.mm(torch.t(b), torch.castTo(weight, b.dtype)); // r,in
  return torch.sumDim(torch.mul(projected, a), [0]);
}

function ownTermIn(a: torch.Tensor, b: torch.Tensor): torch.Tensor {
  return torch.sumDim(torch.mul(torch.mm(torch.mm(torch.t(b), b), a), a), [0]);
}

/** A scalar that is positive unless some squared norm has lost too many digits to cancellation. */
export function leastLeft(squared: torch.Tensor, positive: torch.Tensor): torch.Tensor {
  return torch.noGrad(() => torch.min(torch.sub(squared, positive, { alpha: CANCELLATION })));
}

function hasCancelled(squared: torch.Tensor, positive: torch.Tensor): boolean {
  return torch.scope(() => leastLeft(squared, positive).item() <= 0);
}

/** The norm by its definition, for updates that almost cancel the weight; its derivative at zero is taken as zero. */
function denseNorm({ weight, a, b, scale }: Direction, axis: MagnitudeAxis): torch.Tensor {
  const direction = torch.add(torch.castTo(weight, a.dtype), torch.mulScalar(torch.mm(b, a), scale));
  return torch.sqrt(torch.clampMin(squaredNorm(direction, axis, direction.dtype), SMALLEST_SQUARE));
}

const normFormula = byFormula((state, [weight, squaredBase, a, b]) => [
  directionNormByFormula(
    { weight, squaredBase, a, b, scale: calls.directionNormCall(state.call).scale } as Direction,
    "out",
  ),
]);

/** The forward tangent reads W once; the backward tangent uses the formula. */
export const directionNormRule: Rule = {
  ...normFormula,
  readsForward: ({ call }) => ({ values: [...call.inputs, ...call.results] }),
  tangents(state) {
    const call = calls.directionNormCall(state.call);
    return [normTangent(state, call, state.value(call.result))];
  },
};

type NormCall = Omit<ReturnType<typeof calls.directionNormCall>, "result">;

/** ṅ from W, ‖w‖², A, B and n. */
function normTangent(state: ForwardState, call: NormCall, norm: torch.Tensor): torch.Tensor {
  const { weight, squaredBase, a, b, scale, cancellation, smallest } = call;
  const operands = [state.value(weight), state.value(squaredBase), state.value(a), state.value(b)] as const;
  const tangents = [state.tangent(a) ?? null, state.tangent(b) ?? null] as const;
  return torch.directionNormTangent(...operands, scale, cancellation, smallest, norm, ...tangents);
}

const gainFormula = byFormula((state, [weight, squaredBase, a, b, magnitude]) => {
  const { scale, constantNorm } = calls.directionGainCall(state.call);
  const compute = () => directionNormByFormula({ weight, squaredBase, a, b, scale } as Direction, "out");
  return [gainOf(magnitude!, constantNorm ? torch.noGrad(compute) : compute())];
});

/** Uses the formula if the gradients of A or B are wanted. */
export const directionGainRule: Rule = {
  ...gainFormula,
  through(call) {
    const { constantNorm, magnitude } = calls.directionGainCall(call);
    return constantNorm ? [magnitude] : call.inputs;
  },
  readsForward: ({ call }) => ({ values: [...call.inputs, ...call.results] }),
  readsBackward({ call, moves }) {
    const all = [...call.inputs, ...call.results];
    return { values: all, tangents: all.filter(moves) };
  },
  tangents(state) {
    const call = calls.directionGainCall(state.call);
    const [gain, magnitudeDot] = [state.value(call.result), state.tangent(call.magnitude)];
    const movesNorm = !call.constantNorm && (state.tangent(call.a) || state.tangent(call.b));
    const norm = withoutZeros(normOf(state, gain));
    if (!movesNorm) return [magnitudeDot && torch.div(magnitudeDot, norm)];
    const lost = torch.mul(gain, normTangent(state, call, norm));
    return [torch.div(magnitudeDot ? torch.sub(magnitudeDot, lost) : torch.neg(lost), norm)];
  },
  backward(state) {
    const { a, b, magnitude, result, constantNorm } = calls.directionGainCall(state.call);
    const gain = state.value(result);
    if ((!constantNorm && [a, b].some(state.wantsChange)) || smallestAbs(gain) === 0) {
      gainFormula.backward(state);
      return;
    }
    const norm = torch.div(state.value(magnitude), gain);
    const [gradient, change] = [state.gradient(0), state.change(0)];
    const [gainDot, magnitudeDot] = [state.tangent(result), state.tangent(magnitude)];
    if (change) state.addChange(magnitude, torch.div(change, norm));
    if (!gradient) return;
    const plain = torch.div(gradient, norm);
    // ċ = ṁ/n − c·ṅ/n
    if (gainDot) {
      const share = magnitudeDot ? torch.sub(gainDot, torch.div(magnitudeDot, norm)) : gainDot;
      state.addChange(magnitude, torch.mul(plain, torch.div(share, gain)));
    }
    if (state.wantsGradient(magnitude)) state.addGradient(magnitude, plain);
  },
};

/** n = m / c, unless one of them is zero. */
function normOf(state: ForwardState, gain: torch.Tensor): torch.Tensor {
  const { weight, squaredBase, a, b, magnitude, scale } = calls.directionGainCall(state.call);
  if (smallestAbs(gain) !== 0) return torch.div(state.value(magnitude), gain);
  const [w, base, factorA, factorB] = [weight, squaredBase, a, b].map((id) => state.value(id));
  const direction = { weight: w, squaredBase: base, a: factorA, b: factorB, scale } as Direction;
  return torch.noGrad(() => directionNormByFormula(direction, "out"));
}

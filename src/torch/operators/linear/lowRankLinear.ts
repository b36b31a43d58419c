// A frozen linear layer with its low-rank update and DoRA's gain: y = c ⊙ p + b with p = x·Wᵀ + s·(x̃·Aᵀ)·Bᵀ. Its tangents:
//
//     ṗ = ẋ·Wᵀ + s·((x̃˙·Aᵀ + x̃·Ȧᵀ)·Bᵀ + (x̃·Aᵀ)·Ḃᵀ)       ẏ = c ⊙ ṗ + ċ ⊙ p + ḃ
//     q = c ⊙ g,  q̇ = ċ ⊙ g + c ⊙ ġ                        ġ_x = q̇·W + s·((q̇·B + q·Ḃ)·A + q·B·Ȧ)
//     ġ_c = Σ_n ġ ⊙ p + g ⊙ ṗ
//
// Shapes: x and x̃ [N, in], W [out, in], A [r, in], B [out, r], b and c [out].
import * as calls from "../../generated/recordedCalls.js";
import * as torch from "../../index.js";
import { usesKernel } from "../choose.js";
import { type BackwardState, type CallFacts, type ForwardState, ids, type Rule, smallestAbs } from "../rule.js";
import { biasBackward, type LinearOperands, linear, linearInputGradient } from "./linear.js";

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
  if (usesKernel(x, KERNEL)) {
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

/** The call's operands; `low` is x̃, by default x. */
function operandsOf({ call }: Pick<CallFacts, "call">) {
  const { input: x, branch, result: y, ...rest } = calls.lowRankLinearCall(call);
  return { ...rest, x, low: branch ?? x, y };
}

type Operands = ReturnType<typeof operandsOf>;

export const lowRankLinearRule: Rule = {
  isCheap: false,
  keptGradients(facts) {
    const { x, low } = operandsOf(facts);
    return [x, low];
  },
  readsForward(facts) {
    const { x, weight, bias, a, b, gain, low, y, leastInvertibleGain } = operandsOf(facts);
    const { moves } = facts;
    const ofGain = moves(gain) ? (isSmallGain(facts.peek(gain!), leastInvertibleGain) ? [x, low] : ids(bias)) : [];
    const ofLow = [a, b, x, gain].some(moves) ? [low, y] : [];
    return { values: [weight, a, b, y, ...ids(gain, bias), ...ofLow, ...ofGain] };
  },
  readsBackward(facts) {
    const { x, weight, bias, a, b, gain, low, y, leastInvertibleGain } = operandsOf(facts);
    const { moves, wants } = facts;
    const ofFactors = wants(a) || wants(b) ? [low] : [];
    const ofGain = wants(gain) ? (isSmallGain(facts.peek(gain!), leastInvertibleGain) ? [x, low] : ids(y, bias)) : [];
    const all = [weight, a, b, y, ...ids(gain, bias), ...ofFactors, ...ofGain];
    return { values: all, tangents: [...all, ...(wants(gain) ? [y] : [])].filter(moves) };
  },
  tangents(state) {
    const at = operandsOf(state);
    return [withBias(state, at, tangentOfRest(state, at))];
  },
  backward(state) {
    const at = operandsOf(state);
    const gradient = state.gradient(0);
    if (gradient && isFusedBackward(state, at)) fusedBackward(state, at, gradient);
    else backward(state, at);
  },
};

/** Whether the kernel applies: both branches have the same input, and p can be computed from y by dividing by the gain. */
function isFused(state: ForwardState, at: Operands): boolean {
  return at.low === at.x && (at.gain === undefined || !isSmallGain(state.value(at.gain), at.leastInvertibleGain));
}

/** The same for the backward kernel, which of the layer's tensors supports only the gain's gradient. */
function isFusedBackward(state: BackwardState, at: Operands): boolean {
  const others = ids(at.a, at.b, at.bias);
  return isFused(state, at) && !others.some(state.wantsChange) && !state.wantsGradient(at.x);
}

/** ẏ − ḃ */
function tangentOfRest(state: ForwardState, at: Operands): torch.Tensor | undefined {
  const isMoved = ids(at.x, at.low, at.a, at.b, at.gain).some((id) => state.tangent(id));
  if (!isMoved) return undefined;
  if (!isFused(state, at)) return tangent(state, at);
  const [x, xDot] = [state.value(at.x), state.tangent(at.x) ?? null];
  return torch.lowRankLinearTangent(x, xDot, ...ownOperands(state, at), state.value(at.y));
}

/** The layer's operands of either kernel, and their tangents. */
function ownOperands(state: ForwardState, { weight, bias, a, b, gain, scale }: Operands) {
  const value = (id: torch.TensorId | undefined) => (id === undefined ? null : state.value(id));
  const tangent = (id: torch.TensorId | undefined) => (id === undefined ? null : (state.tangent(id) ?? null));
  const factors = [state.value(a), state.value(b), scale, tangent(a), tangent(b)] as const;
  return [state.value(weight), value(bias), ...factors, value(gain), tangent(gain)] as const;
}

function fusedBackward(state: BackwardState, at: Operands, gradient: torch.Tensor): void {
  const wantsGain = at.gain !== undefined && state.wantsChange(at.gain);
  const wantsInput = state.wantsChange(at.x);
  const [input, gain, gainDot] = torch.lowRankLinearTangentBackward(
    gradient,
    state.change(0) ?? null,
    ...ownOperands(state, at),
    state.value(at.y),
    withoutBias(state, at) ?? null,
    wantsInput,
    wantsGain,
  );
  if (wantsInput) state.addChange(at.x, input);
  if (!wantsGain) return;
  state.addChange(at.gain!, gainDot);
  if (state.wantsGradient(at.gain!)) state.addGradient(at.gain!, gain);
}

function biasTangent(state: ForwardState, { bias }: Operands): torch.Tensor | undefined {
  return bias === undefined ? undefined : state.tangent(bias);
}

/** ẏ from ẏ − ḃ. */
function withBias(state: ForwardState, at: Operands, rest: torch.Tensor | undefined): torch.Tensor | undefined {
  const biasDot = biasTangent(state, at);
  if (!biasDot) return rest;
  return rest ? torch.add(rest, biasDot) : torch.clone(torch.expand(biasDot, state.value(at.y).shape));
}

/** ẏ − ḃ from ẏ. */
function withoutBias(state: ForwardState, at: Operands): torch.Tensor | undefined {
  const [yDot, biasDot] = [state.tangent(at.y), biasTangent(state, at)];
  return yDot && biasDot ? torch.sub(yDot, biasDot) : yDot;
}

/** Whether some gain is below `least`, so that p cannot be computed from y by division and is recomputed. */
function isSmallGain(gain: torch.Tensor, least: number): boolean {
  return smallestAbs(gain) < least;
}

function tangent(state: ForwardState, at: Operands): torch.Tensor | undefined {
  const productDot = directionTangent(state, at);
  if (at.gain === undefined) return productDot;
  const gainDot = state.tangent(at.gain);
  const gain = state.value(at.gain);
  const { dtype } = state.value(at.weight);
  const parts = [
    productDot && torch.mul(productDot, gain),
    gainDot && torch.mul(directionOf(state, at), gainDot),
  ].filter((part) => part !== undefined);
  const [one, other] = parts;
  return one && torch.castTo(other ? torch.add(one, other) : one, dtype);
}

/** ṗ */
function directionTangent(state: ForwardState, at: Operands): torch.Tensor | undefined {
  const xDot = state.tangent(at.x);
  const { dtype } = state.value(at.weight);
  const base = xDot && linear(xDot, { weight: state.value(at.weight), bias: null });
  const { a, aDot, b, bDot } = factors(state, at, dtype);
  const lowDot = state.tangent(at.low);
  const reducedDot = sum(lowDot && torch.linear(lowDot, a), aDot && torch.linear(state.value(at.low), aDot));
  const reduced = bDot && torch.linear(state.value(at.low), a);
  const addTo = (to: torch.Tensor | undefined, left: torch.Tensor | undefined, right: torch.Tensor | undefined) => {
    if (!left || !right) return to;
    if (!to) return torch.mulScalar(torch.mm(left, torch.t(right)), at.scale);
    return torch.addmm(to, left, torch.t(right), { alpha: at.scale });
  };
  return addTo(addTo(base, reducedDot, b), reduced, bDot);
}

function factors(state: ForwardState, { a, b }: Operands, dtype: torch.DType) {
  const cast = (tensor: torch.Tensor | undefined) => tensor && torch.castTo(tensor, dtype);
  return {
    a: torch.castTo(state.value(a), dtype),
    b: torch.castTo(state.value(b), dtype),
    aDot: cast(state.tangent(a)),
    bDot: cast(state.tangent(b)),
  };
}

/** p */
function directionOf(state: ForwardState, at: Operands): torch.Tensor {
  const gain = state.value(at.gain!);
  if (!isSmallGain(gain, at.leastInvertibleGain)) {
    const y = state.value(at.y);
    return torch.div(at.bias === undefined ? y : torch.sub(torch.castTo(y, gain.dtype), state.value(at.bias)), gain);
  }
  const { a, b } = factors(state, at, state.value(at.weight).dtype);
  const reduced = torch.linear(state.value(at.low), a);
  return torch.addmm(linear(state.value(at.x), { weight: state.value(at.weight), bias: null }), reduced, torch.t(b), {
    alpha: at.scale,
  });
}

function backward(state: BackwardState, at: Operands): void {
  const { dtype } = state.value(at.a);
  const compute = (state.gradient(0) ?? state.change(0))!.dtype;
  const { q, qDot } = throughGain(state, at, compute);
  const { a, aDot, b, bDot } = factors(state, at, compute);
  const qB = q && torch.mm(q, b);
  const sumDot = sum(qDot && torch.mm(qDot, b), q && bDot && torch.mm(q, bDot));
  if (state.wantsChange(at.x) && qDot) state.addChange(at.x, linearInputGradient(qDot, state.value(at.weight)));
  if (state.wantsChange(at.low)) {
    if (sumDot) state.addChange(at.low, torch.mulScalar(torch.mm(sumDot, a), at.scale));
    if (qB && aDot) state.addChange(at.low, torch.mulScalar(torch.mm(qB, aDot), at.scale));
  }
  if (state.wantsGradient(at.x) && q) state.addGradient(at.x, linearInputGradient(q, state.value(at.weight)));
  if (state.wantsGradient(at.low) && qB) state.addGradient(at.low, torch.mulScalar(torch.mm(qB, a), at.scale));
  const scaled = (product: torch.Tensor) => torch.mulScalar(torch.castTo(product, dtype), at.scale);
  const lowDot = state.tangent(at.low);
  if (state.wantsChange(at.a)) {
    const low = state.value(at.low);
    if (sumDot) state.addChange(at.a, scaled(torch.mm(torch.t(sumDot), low)));
    if (qB && lowDot) state.addChange(at.a, scaled(torch.mm(torch.t(qB), lowDot)));
    if (qB && state.wantsGradient(at.a)) state.addGradient(at.a, scaled(torch.mm(torch.t(qB), low)));
  }
  if (state.wantsChange(at.b)) {
    const low = state.value(at.low);
    const reduced = torch.linear(low, a);
    const reducedDot = sum(lowDot && torch.linear(lowDot, a), aDot && torch.linear(low, aDot));
    if (qDot) state.addChange(at.b, scaled(torch.mm(torch.t(qDot), reduced)));
    if (q && reducedDot) state.addChange(at.b, scaled(torch.mm(torch.t(q), reducedDot)));
    if (q && state.wantsGradient(at.b)) state.addGradient(at.b, scaled(torch.mm(torch.t(q), reduced)));
  }
  for (const bias of ids(at.bias)) biasBackward(state, bias);
}

/** q and q̇; also adds the gain's gradient and its tangent. */
function throughGain(state: BackwardState, at: Operands, dtype: torch.DType) {
  const [gradient, change] = [state.gradient(0), state.change(0)];
  if (at.gain === undefined) return { q: gradient, qDot: change };
  const [gain, gainDot] = [state.value(at.gain), state.tangent(at.gain)];
  const cast = (tensor: torch.Tensor | undefined) => tensor && torch.castTo(tensor, dtype);
  if (state.wantsChange(at.gain)) gainBackward(state, at, gain, gainDot);
  return {
    q: cast(gradient && torch.mul(gradient, gain)),
    qDot: cast(sum(gradient && gainDot && torch.mul(gradient, gainDot), change && torch.mul(change, gain))),
  };
}

function gainBackward(state: BackwardState, at: Operands, gain: torch.Tensor, gainDot: torch.Tensor | undefined): void {
  const [gradient, change] = [state.gradient(0), state.change(0)];
  const p = directionOf(state, at);
  const columns = (of: torch.Tensor, by: torch.Tensor) =>
    torch.sumDim(torch.mul(torch.castTo(of, gain.dtype), by), [0]);
  if (change) state.addChange(at.gain!, columns(change, p));
  if (!gradient) return;
  if (state.wantsGradient(at.gain!)) state.addGradient(at.gain!, columns(gradient, p));
  const divided = () => {
    const yDot = withoutBias(state, at);
    const unscaled = yDot && gainDot ? torch.sub(torch.castTo(yDot, gain.dtype), torch.mul(p, gainDot)) : yDot;
    return unscaled && torch.div(unscaled, gain); // ṗ = (ẏ − ċ ⊙ p) / c
  };
  const pDot = isSmallGain(gain, at.leastInvertibleGain) ? directionTangent(state, at) : divided();
  if (pDot) state.addChange(at.gain!, columns(gradient, pDot));
}

function sum(one: torch.Tensor | undefined, other: torch.Tensor | undefined): torch.Tensor | undefined {
  return one && other ? torch.add(one, other) : (one ?? other);
}

// LayerNorm and RMSNorm of rows, alone and after a residual connection: sum = residual + dropout(x), normed = norm(sum).
// Shapes: x [..., H] or N tokens of hidden size H, weight and bias [H].
import * as calls from "../generated/recordedCalls.js";
import * as torch from "../index.js";
import { usesKernel } from "./choose.js";
import { dropout, type MaskKey } from "./dropout.js";
import { byFormula } from "./formulaRule.js";
import { addFound, type BackwardState, type ForwardState, ids, type Rule } from "./rule.js";

/** A norm's parameters. */
export interface NormFactors {
  readonly weight: torch.Tensor;
  readonly bias: torch.Tensor | null;
  readonly epsilon: number;
  /** Whether the mean is subtracted first (LayerNorm) or not (RMSNorm). */
  readonly isCentered: boolean;
}

const SUM_KERNEL = { isTwiceDifferentiable: false };

/** Normalizes over the last dimension. x: [..., H] → the same */
export function rowNorm(x: torch.Tensor, factors: NormFactors): torch.Tensor {
  const { weight, bias, epsilon, isCentered } = factors;
  if (usesKernel(x)) return torch.rowNorm(x, weight, bias, epsilon, { centered: isCentered });
  return normByFormula(x, factors);
}

function normByFormula(x: torch.Tensor, { weight, bias, epsilon, isCentered }: NormFactors): torch.Tensor {
  if (isCentered) return torch.layerNorm(x, [x.shape.at(-1)!], weight, bias, epsilon);
  const wide = torch.castTo(x, torch.wideDtype(x.dtype));
  const inverse = torch.rsqrt(torch.addScalar(torch.meanDim(torch.square(wide), [-1], true), epsilon));
  return torch.castTo(torch.mul(torch.mul(wide, inverse), torch.castTo(weight, wide.dtype)), x.dtype);
}

/** residual + dropout(x) and its norm. x, residual: [N, H] */
export function dropoutAddNorm(
  x: torch.Tensor,
  residual: torch.Tensor,
  factors: NormFactors,
  mask: (MaskKey & { readonly p: number }) | undefined,
): { readonly sum: torch.Tensor; readonly normed: torch.Tensor } {
  if (!usesKernel(x, SUM_KERNEL)) {
    const sum = torch.add(mask ? dropout(x, mask.p, mask) : x, residual);
    return { sum, normed: rowNorm(sum, factors) };
  }
  const { weight, bias, epsilon, isCentered } = factors;
  const [normed, sum] = torch.dropoutAddNorm(x, residual, weight, bias, epsilon, { centered: isCentered, ...mask });
  return { sum, normed };
}

/** For a norm whose weight or bias has a tangent or a wanted gradient. */
const rowNormFormula = byFormula((state, inputs) => state.replay(inputs), { isCheap: true });

export const rowNormRule: Rule = {
  ...rowNormFormula,
  tangents(state) {
    const { input, weight, bias, eps, centered } = calls.rowNormCall(state.call);
    if (ids(weight, bias).some(state.tangent)) return rowNormFormula.tangents(state);
    const tangent = state.tangent(input)!;
    return [torch.rowNormTangent(state.value(input), state.value(weight), eps, tangent, { centered })];
  },
  backward(state) {
    const { input, weight, bias, eps, centered } = calls.rowNormCall(state.call);
    const gradient = state.gradient(0);
    if (!gradient || isTrained(state, weight, bias)) return rowNormFormula.backward(state);
    const given = [state.tangent(input) ?? null, gradient, state.change(0) ?? null] as const;
    const operands = [state.value(input), state.value(weight), eps] as const;
    addFound(state, [input], torch.rowNormTangentBackward(...operands, ...given, { centered }));
  },
};

function isTrained(state: BackwardState, ...factors: readonly (torch.TensorId | undefined)[]): boolean {
  return ids(...factors).some((id) => state.tangent(id) || state.wantsChange(id));
}

/** For a norm whose weight or bias has a tangent or a wanted gradient. */
const sumFormula = byFormula(
  (state, inputs) => {
    const [x, residual, weight, bias] = inputs as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | undefined];
    const { eps, centered, ...mask } = calls.dropoutAddNormCall(state.call);
    const sum = torch.add(mask.p > 0 ? dropout(x, mask.p, mask) : x, residual);
    const factors = { weight, bias: bias ?? null, epsilon: eps, isCentered: centered };
    return [normByFormula(sum, factors), sum];
  },
  { isCheap: true },
);

export const dropoutAddNormRule: Rule = {
  ...sumFormula,
  tangents(state) {
    const { weight, bias } = calls.dropoutAddNormCall(state.call);
    if (ids(weight, bias).some(state.tangent)) return sumFormula.tangents(state);
    const { operands, options } = readSum(state);
    return torch.dropoutAddNormTangent(...operands, options);
  },
  backward(state) {
    const { weight, bias, input, residual } = calls.dropoutAddNormCall(state.call);
    const gradient = state.gradient(0);
    if (!gradient || isTrained(state, weight, bias)) return sumFormula.backward(state);
    const { operands, options } = readSum(state);
    const given = [gradient, state.change(0) ?? null, state.gradient(1) ?? null, state.change(1) ?? null] as const;
    addFound(state, [input, residual], torch.dropoutAddNormTangentBackward(...operands, ...given, options));
  },
};

function readSum(state: ForwardState) {
  const { input, residual, weight, bias, eps, centered, p, seed, stream } = calls.dropoutAddNormCall(state.call);
  const offset = bias === undefined ? null : state.value(bias);
  const values = [state.value(input), state.value(residual), state.value(weight), offset, eps] as const;
  return {
    operands: [...values, state.tangent(input) ?? null, state.tangent(residual) ?? null] as const,
    options: { centered, p, seed, stream },
  };
}

// Rotary position embedding (arXiv 2104.09864), pairing the halves of a head as in Llama. The angles are constant, so rotation is linear:
// ẏ = rotary(ẋ), g_x = rotaryᵀ(g), ġ_x = rotaryᵀ(ġ).
// Shapes: N tokens, H heads, head size D, of which the first R ≤ D elements are rotated.
import * as calls from "../../generated/recordedCalls.js";
import * as torch from "../../index.js";
import { usesKernel } from "../choose.js";
import { backwardThrough, type CallFacts, type ForwardState, type Rule } from "../rule.js";

/** The angles by which each token's queries and keys are rotated. */
export interface RotaryTables {
  /** cos of each angle, [N, R]; the second half repeats the first. */
  readonly cos: torch.Tensor;
  /** [N, R] */
  readonly sin: torch.Tensor;
}

/**
 * The tables for given positions: cos and sin of position · frequency.
 * @param positions [N] integers
 * @param frequencies [R / 2] float32 for all tokens, or [N, R / 2] per token
 * @param factor multiplies both tables
 * @param dtype of the queries and keys: tables are computed in float32 and rounded once for all layers
 */
export function rotaryTables(
  positions: torch.Tensor,
  frequencies: torch.Tensor,
  factor: number,
  dtype: torch.DType,
): RotaryTables {
  const angles = torch.mul(torch.unsqueeze(torch.castTo(positions, "float32"), 1), frequencies);
  const both = torch.cat([angles, angles], 1);
  const table = (of: torch.Tensor) => torch.castTo(factor === 1 ? of : torch.mulScalar(of, factor), dtype);
  return { cos: table(torch.cos(both)), sin: table(torch.sin(both)) };
}

/** Rotates each head's first R elements by its token's angles. x: [N, H·D] → the same */
export function rotate(
  x: torch.Tensor,
  { cos, sin }: RotaryTables,
  heads: number,
  options: { readonly transposed?: boolean } = {},
): torch.Tensor {
  if (usesKernel(x)) return torch.rotary(x, cos, sin, heads, options);
  return rotateByFormula(x, { cos, sin }, heads, options.transposed ?? false);
}

function rotateByFormula(x: torch.Tensor, { cos, sin }: RotaryTables, heads: number, isTransposed: boolean) {
  const [tokens, width] = x.shape as [number, number];
  const [size, rotated, wide] = [width / heads, cos.shape[1]!, torch.wideDtype(x.dtype)];
  const table = (of: torch.Tensor) => torch.unsqueeze(torch.castTo(torch.castTo(of, x.dtype), wide), 1); // N,1,R
  const perHead = torch.reshape(x, [tokens, heads, size]);
  const part = torch.castTo(torch.narrow(perHead, 2, 0, rotated), wide);
  const [byCos, bySin] = [torch.mul(part, table(cos)), table(sin)];
  const crossed = isTransposed ? torch.neg(swapped(torch.mul(part, bySin))) : torch.mul(swapped(part), bySin);
  const result = torch.castTo(torch.add(byCos, crossed), x.dtype);
  const all = rotated === size ? [result] : [result, torch.narrow(perHead, 2, rotated, size - rotated)];
  return torch.reshape(torch.cat(all, 2), [tokens, width]);
}

/** (a, b) → (−b, a), halves of the last dimension. Its transpose is its negative. */
function swapped(x: torch.Tensor): torch.Tensor {
  const half = x.shape[2]! / 2;
  const [a, b] = [torch.narrow(x, 2, 0, half), torch.narrow(x, 2, half, half)];
  return torch.cat([torch.neg(b), a], 2);
}

export const rotaryRule: Rule = {
  isCheap: true,
  keptGradients: () => [],
  readsForward: angles,
  readsBackward: angles,
  tangents(state) {
    const tangent = state.tangent(calls.rotaryCall(state.call).input);
    return [tangent && rotatedAlike(state, tangent, false)];
  },
  backward: (state) =>
    backwardThrough(state, calls.rotaryCall(state.call).input, (gradient) => rotatedAlike(state, gradient, true)),
};

function angles({ call }: CallFacts) {
  const { cos, sin } = calls.rotaryCall(call);
  return { values: [cos, sin] };
}

function rotatedAlike(state: ForwardState, x: torch.Tensor, isBack: boolean): torch.Tensor {
  const { cos, sin, heads, transposed } = calls.rotaryCall(state.call);
  return torch.rotary(x, state.value(cos), state.value(sin), heads, { transposed: transposed !== isBack });
}

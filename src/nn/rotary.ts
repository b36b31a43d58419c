// Rotary positions (arXiv 2104.09864), with the halves of a head paired, as Llama and its kin have them.
// Shapes: N tokens, H heads, D size of a head, R ≤ D how many of its numbers are turned.
import * as torch from "../torch/index.js";

/** By how much each token's queries and keys are turned. */
export interface RotaryTables {
  /** cos of each angle, [N, R]; the second half repeats the first. */
  readonly cos: torch.Tensor;
  /** [N, R] */
  readonly sin: torch.Tensor;
}

/**
 * The tables of some positions: cos and sin of position · frequency.
 * @param positions [N] integers
 * @param frequencies [R / 2] float32 of all tokens, or [N, R / 2] of each
 * @param factor that both tables are multiplied by
 * @param dtype of what is turned: angles are computed in float32, and rounded once for all layers
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

/** Turns each head's first R numbers by its token's angles. x: [N, H·D] → the same */
export function rotate(x: torch.Tensor, { cos, sin }: RotaryTables, heads: number): torch.Tensor {
  return torch.rotary(x, cos, sin, heads);
}

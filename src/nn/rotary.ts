// Rotary positions (arXiv 2104.09864), with the halves of a head paired, as Llama and its kin have them.
// Shapes: N tokens, H heads, D size of a head, R ≤ D how many of its numbers are turned.
import * as torch from "../torch/index.js";

/** By how much each token's queries and keys are turned. */
export interface RotaryTables {
  /** [N, R] float32: cos of each angle; the second half repeats the first. */
  readonly cos: torch.Tensor;
  /** [N, R] float32 */
  readonly sin: torch.Tensor;
}

/**
 * The tables of some positions: cos and sin of position · frequency.
 * @param positions [N] integers
 * @param frequencies [R / 2] float32 of all tokens, or [N, R / 2] of each
 * @param factor that both tables are multiplied by
 */
export function rotaryTables(positions: torch.Tensor, frequencies: torch.Tensor, factor: number): RotaryTables {
  const angles = torch.mul(torch.unsqueeze(torch.castTo(positions, "float32"), 1), frequencies);
  const both = torch.cat([angles, angles], 1);
  const [cos, sin] = [torch.cos(both), torch.sin(both)];
  return factor === 1 ? { cos, sin } : { cos: torch.mulScalar(cos, factor), sin: torch.mulScalar(sin, factor) };
}

/** Turns each head's first R numbers by its token's angles. x: [N, H·D] → the same */
export function rotate(x: torch.Tensor, { cos, sin }: RotaryTables, heads: number): torch.Tensor {
  return torch.rotary(x, cos, sin, heads);
}

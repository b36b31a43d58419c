import * as torch from "../../torch/index.js";

/** The smallest norm that vectors are divided by, as in PyTorch's `normalize`. */
export const SMALLEST_NORM = 1e-12;

/** Divides each row by its Euclidean norm. x: [n, H] → [n, H] */
export function normalize(x: torch.Tensor): torch.Tensor {
  return torch.div(x, torch.clampMin(torch.linalgVectorNorm(x, 2, [1], true), SMALLEST_NORM));
}

import * as torch from "../../torch/index.js";

/** The least |x| of a tensor; infinite where it has no element. */
export function smallestSize(x: torch.Tensor): number {
  if (x.numel === 0) return Number.POSITIVE_INFINITY;
  return torch.noGrad(() => torch.scope(() => torch.min(torch.abs(x)).item()));
}

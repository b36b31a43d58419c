import * as torch from "../../src/torch/index.js";

/** The same values in float64. */
export function precise(x: torch.Tensor): torch.Tensor;
export function precise(x: readonly torch.Tensor[]): torch.Tensor[];
export function precise(x: torch.Tensor | readonly torch.Tensor[]): torch.Tensor | torch.Tensor[] {
  return x instanceof torch.Tensor ? torch.to(x, "float64") : x.map((one) => torch.to(one, "float64"));
}

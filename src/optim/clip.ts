import * as torch from "../torch/index.js";

/** The norm of all tensors together, as one vector. */
export function totalNorm(tensors: readonly torch.Tensor[]): number {
  return torch.scope(() => torch.totalNorm(tensors).item());
}

/**
 * The gradients scaled to a total norm of at most `maxNorm`, as by `torch.nn.utils.clip_grad_norm_`, and the factor that
 * was applied, min(1, maxNorm / (norm + 1e-6)).
 * @param norm theirs, by `totalNorm`
 */
export function clipGradNorm(
  gradients: readonly torch.Tensor[],
  norm: number,
  maxNorm: number,
): { readonly gradients: readonly torch.Tensor[]; readonly factor: number } {
  const factor = Math.min(1, maxNorm / (norm + 1e-6));
  if (factor === 1) return { gradients, factor };
  return { gradients: torch.scaled(gradients, factor), factor };
}

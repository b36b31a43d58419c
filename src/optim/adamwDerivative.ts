import * as torch from "../torch/index.js";
import type { AdamWOptions } from "./adamw.js";
import type { OptimizerState } from "./optimizer.js";

/**
 * How an AdamW step answers to its gradient: D∘v, where per element D = −∂p'/∂g is
 *
 *     D = lr·[ (1−β1)/(1−β1ᵗ) / (√v̂ + ε) − m̂/(√v̂ + ε)² · (1−β2)·g / ((1−β2ᵗ)·√v̂) ]
 *
 * with m̂, v̂ the bias-corrected moments, g included. Where v̂ is zero (no gradient yet) the second part is left out.
 */
export function adamwDerivative(
  v: readonly torch.Tensor[],
  gradients: readonly torch.Tensor[],
  state: OptimizerState,
  learningRate: number,
  { adamBeta1: beta1, adamBeta2: beta2, adamEpsilon: epsilon }: AdamWOptions,
): torch.Tensor[] {
  const correction1 = 1 - beta1 ** state.steps;
  const correction2 = 1 - beta2 ** state.steps;
  return torch.noGrad(() =>
    state.memories.map(({ exp_avg, exp_avg_sq }, i) =>
      torch.scope(() => {
        const m = torch.divScalar(exp_avg as torch.Tensor, correction1);
        const root = torch.sqrt(torch.divScalar(exp_avg_sq as torch.Tensor, correction2));
        const inverse = torch.reciprocal(torch.addScalar(root, epsilon));
        const ofMean = torch.mulScalar(inverse, (1 - beta1) / correction1);
        const g = torch.mulScalar(gradients[i] as torch.Tensor, (1 - beta2) / correction2);
        const ofRoot = torch.nanToNum(torch.div(g, root), 0, 0, 0);
        const slope = torch.sub(ofMean, torch.mul(torch.mul(m, torch.square(inverse)), ofRoot));
        return torch.mul(torch.mulScalar(slope, learningRate), v[i] as torch.Tensor);
      }),
    ),
  );
}

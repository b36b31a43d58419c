import * as torch from "../torch/index.js";
import type { AdamWOptions, AdamWState } from "./adamw.js";

/**
 * How an AdamW step answers to its gradient: D = −∂p'/∂g per element, for the step that `state` has just taken with `g`.
 *
 *     D = lr·[ (1−β1)/(1−β1ᵗ) / (√v̂ + ε) − m̂/(√v̂ + ε)² · (1−β2)·g / ((1−β2ᵗ)·√v̂) ]
 *
 * with m̂, v̂ the bias-corrected moments, g included. Where v̂ is zero (no gradient yet) the second part is left out.
 * @param gradients as given to the step, clipped
 */
export function adamwDerivative(
  gradients: readonly torch.Tensor[],
  state: AdamWState,
  learningRate: number,
  { beta1, beta2, epsilon }: AdamWOptions,
): torch.Tensor[] {
  const correction1 = 1 - beta1 ** state.steps;
  const correction2 = 1 - beta2 ** state.steps;
  return torch.noGrad(() =>
    gradients.map((g, i) =>
      torch.scope(() => {
        const m = torch.divScalar(state.expAvg[i] as torch.Tensor, correction1);
        const root = torch.sqrt(torch.divScalar(state.expAvgSq[i] as torch.Tensor, correction2));
        const inverse = torch.reciprocal(torch.addScalar(root, epsilon));
        const ofMean = torch.mulScalar(inverse, (1 - beta1) / correction1);
        const ofRoot = torch.nanToNum(torch.div(torch.mulScalar(g, (1 - beta2) / correction2), root), 0, 0, 0);
        return torch.mulScalar(torch.sub(ofMean, torch.mul(torch.mul(m, torch.square(inverse)), ofRoot)), learningRate);
      }),
    ),
  );
}

import * as torch from "../index.js";
import { type AdamWNumbers, adamw as stepTensors } from "../operators/optimizerStep.js";
import { indicesByDecay, type Optimizer, type OptimizerState, picked } from "./optimizer.js";

/** AdamW's options, named as the run settings are. */
export interface AdamWOptions {
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly adamEpsilon: number;
}

/**
 * AdamW (arXiv 1711.05101) as in PyTorch, with decoupled weight decay and bias correction of both moments:
 * p −= lr·wd·p; p −= lr·m̂ / (√v̂ + ε).
 */
export const adamw: Optimizer<AdamWOptions> = {
  uses: ["adamBeta1", "adamBeta2", "adamEpsilon"],
  stateForms: ({ shape, dtype }) => ({ exp_avg: { shape, dtype }, exp_avg_sq: { shape, dtype } }),
  /** Makes one native call for all tensors with the same weight decay. */
  update(parameters, gradients, state, learningRate, options) {
    state.steps += 1;
    for (const [weightDecay, chosen] of indicesByDecay(parameters)) {
      const { memory, ...own } = picked(chosen, parameters, gradients, state);
      const tensors = { ...own, means: memory("exp_avg"), meanSquares: memory("exp_avg_sq") };
      stepTensors(tensors, state.steps, adamwNumbers(learningRate, options, weightDecay));
    }
  },
  derivative: derivativeOf,
};

/** The numbers of a step, for tensors with one weight decay. */
export function adamwNumbers(learningRate: number, options: AdamWOptions, weightDecay: number): AdamWNumbers {
  return {
    lr: learningRate,
    beta1: options.adamBeta1,
    beta2: options.adamBeta2,
    weightDecay,
    epsilon: options.adamEpsilon,
  };
}

/**
 * The derivative of an AdamW step with respect to its gradient: D∘v, where per element D = −∂p'/∂g is
 *
 *     D = lr·[ (1−β1)/(1−β1ᵗ) / (√v̂ + ε) − m̂/(√v̂ + ε)² · (1−β2)·g / ((1−β2ᵗ)·√v̂) ]
 *
 * with m̂ and v̂ the bias-corrected moments after this step. Where v̂ is zero (no gradient yet) the second term is dropped.
 */
function derivativeOf(
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
        const m = torch.divScalar(exp_avg!, correction1);
        const root = torch.sqrt(torch.divScalar(exp_avg_sq!, correction2));
        const inverse = torch.reciprocal(torch.addScalar(root, epsilon));
        const ofMean = torch.mulScalar(inverse, (1 - beta1) / correction1);
        const g = torch.mulScalar(gradients[i]!, (1 - beta2) / correction2);
        const ofRoot = torch.nanToNum(torch.div(g, root), 0, 0, 0);
        const slope = torch.sub(ofMean, torch.mul(torch.mul(m, torch.square(inverse)), ofRoot));
        return torch.mul(torch.mulScalar(slope, learningRate), v[i]!);
      }),
    ),
  );
}

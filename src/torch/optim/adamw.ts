import * as torch from "../index.js";
import { type AdamWNumbers, adamw as stepTensors } from "../operators/optimizerStep.js";
import {
  type DecayOptions,
  decayIndices,
  type Optimized,
  type Optimizer,
  type OptimizerState,
  stateTensors,
} from "./optimizer.js";

/** AdamW's options, named as the run settings are. */
export interface AdamWOptions extends DecayOptions {
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
  update: stepAdamW,
  derivative: derivativeOf,
};

/** Makes one native call for the tensors with weight decay and one for the others. */
function stepAdamW(
  parameters: readonly Optimized[],
  gradients: readonly torch.Tensor[],
  state: OptimizerState,
  learningRate: number,
  options: AdamWOptions,
): void {
  state.steps += 1;
  for (const decays of [true, false]) {
    const chosen = decayIndices(parameters, decays);
    if (chosen.length === 0) continue;
    const tensors = {
      parameters: chosen.map((i) => (parameters[i] as Optimized).tensor),
      gradients: chosen.map((i) => gradients[i] as torch.Tensor),
      means: stateTensors(state, "exp_avg", chosen),
      meanSquares: stateTensors(state, "exp_avg_sq", chosen),
    };
    stepTensors(tensors, state.steps, adamwNumbers(learningRate, options, decays));
  }
}

/** The numbers of a step, for tensors with or without weight decay. */
export function adamwNumbers(learningRate: number, options: AdamWOptions, decays: boolean): AdamWNumbers {
  return {
    lr: learningRate,
    beta1: options.adamBeta1,
    beta2: options.adamBeta2,
    weightDecay: decays ? options.weightDecay : 0,
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

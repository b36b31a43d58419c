import * as torch from "../torch/index.js";
import {
  type DecayOptions,
  type Optimized,
  type Optimizer,
  type OptimizerState,
  remembered,
  whichDecay,
} from "./optimizer.js";

/** AdamW's options, by their names in a run. */
export interface AdamWOptions extends DecayOptions {
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly adamEpsilon: number;
}

/**
 * AdamW (arXiv 1711.05101) as torch's, decay decoupled and both moments corrected for their start at zero:
 * p −= lr·wd·p; p −= lr·m̂ / (√v̂ + ε).
 */
export const adamw: Optimizer<AdamWOptions> = {
  uses: ["adamBeta1", "adamBeta2", "adamEpsilon"],
  remembers: (shape) => ({ exp_avg: shape, exp_avg_sq: shape }),
  update: stepAdamW,
  derivative: derivativeOf,
};

/** One native call for all decayed tensors and one for the others. */
function stepAdamW(
  parameters: readonly Optimized[],
  gradients: readonly torch.Tensor[],
  state: OptimizerState,
  learningRate: number,
  options: AdamWOptions,
): void {
  state.steps += 1;
  torch.noGrad(() =>
    torch.scope(() => {
      for (const decays of [true, false]) {
        const chosen = whichDecay(parameters, decays);
        if (chosen.length)
          stepGroup(
            chosen,
            parameters,
            gradients,
            state,
            learningRate,
            decays ? options : { ...options, weightDecay: 0 },
          );
      }
    }),
  );
}

function stepGroup(
  chosen: readonly number[],
  parameters: readonly Optimized[],
  gradients: readonly torch.Tensor[],
  state: OptimizerState,
  lr: number,
  { adamBeta1: beta1, adamBeta2: beta2, adamEpsilon: eps, weightDecay }: AdamWOptions,
): void {
  const tensors = chosen.map((i) => (parameters[i] as Optimized).tensor);
  // The operator wants the count of steps as a tensor for each parameter; it reads and does not change them.
  const count = torch.tensor([state.steps], []);
  const moments = ["exp_avg", "exp_avg_sq"].map((name) => remembered(state, name, chosen));
  inRowMajor([tensors, ...moments], ([values, expAvg, expAvgSq]) =>
    torch.fusedAdamw_(
      values as torch.Tensor[],
      chosen.map((i) => torch.contiguous(gradients[i] as torch.Tensor)),
      expAvg as torch.Tensor[],
      expAvgSq as torch.Tensor[],
      [],
      chosen.map(() => count),
      { lr, beta1, beta2, weightDecay, eps, amsgrad: false, maximize: false },
    ),
  );
  for (const tensor of tensors) countChange(tensor);
}

/**
 * The operator walks through memory without heed to strides: changes the tensors of each list in place, those whose elements
 * do not lie in row-major order by way of a copy.
 */
function inRowMajor(
  lists: readonly (readonly torch.Tensor[])[],
  change: (lists: readonly torch.Tensor[][]) => void,
): void {
  const laidOut = lists.map((list) => list.map((tensor) => torch.contiguous(tensor)));
  change(laidOut);
  for (const [l, list] of lists.entries()) {
    for (const [i, tensor] of list.entries()) {
      const changed = laidOut[l]?.[i] as torch.Tensor;
      if (!torch.isSetTo(tensor, changed)) torch.copy_(tensor, changed);
    }
  }
}

/** The fused operator leaves a tensor's version as it was; writing nothing into a part of no elements raises it. */
function countChange(tensor: torch.Tensor): void {
  torch.zero_(torch.narrow(torch.flatten(tensor), 0, 0, 0));
}

/**
 * How an AdamW step answers to its gradient: D∘v, where per element D = −∂p'/∂g is
 *
 *     D = lr·[ (1−β1)/(1−β1ᵗ) / (√v̂ + ε) − m̂/(√v̂ + ε)² · (1−β2)·g / ((1−β2ᵗ)·√v̂) ]
 *
 * with m̂, v̂ the bias-corrected moments, g included. Where v̂ is zero (no gradient yet) the second part is left out.
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

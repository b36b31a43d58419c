import * as torch from "../index.js";
import { indicesByDecay, type Optimized, type Optimizer } from "./optimizer.js";

/** SGD's options, named as the run settings are. */
export interface SgdOptions {
  readonly momentum: number;
}

/**
 * SGD with momentum μ as in PyTorch, with weight decay added to the gradient: b = μ·b + g + wd·p; p −= lr·b. Without
 * momentum it has no state.
 */
export const sgd: Optimizer<SgdOptions> = {
  uses: ["momentum"],
  stateForms: ({ shape, dtype }, { momentum }) => (momentum === 0 ? {} : { momentum_buffer: { shape, dtype } }),
  update(parameters, gradients, state, learningRate, { momentum }) {
    state.steps += 1;
    const tensors = parameters.map(({ tensor }) => tensor);
    torch.noGrad(() => {
      if (momentum === 0) {
        decayed(parameters, (own, weightDecay) => torch.foreachMulScalar_(own, 1 - learningRate * weightDecay));
        torch.foreachAdd_(tensors, gradients, { alpha: -learningRate });
        return;
      }
      const buffers = state.memories.map(({ momentum_buffer }) => momentum_buffer!);
      torch.foreachMulScalar_(buffers, momentum);
      torch.foreachAdd_(buffers, gradients);
      decayed(parameters, (own, weightDecay, chosen) => {
        const ofChosen = chosen.map((i) => buffers[i]!);
        torch.foreachAdd_(ofChosen, own, { alpha: weightDecay });
      });
      torch.foreachAdd_(tensors, buffers, { alpha: -learningRate });
    });
  },
  /** Momentum and decay do not depend on the gradient, so −∂p'/∂g is the learning rate. */
  derivative: (v, _gradients, _state, learningRate) => torch.noGrad(() => torch.foreachMulScalar(v, learningRate)),
};

/** Runs `change` for the tensors of each weight decay above 0. */
function decayed(
  parameters: readonly Optimized[],
  change: (tensors: readonly torch.Tensor[], weightDecay: number, chosen: readonly number[]) => void,
): void {
  for (const [weightDecay, chosen] of indicesByDecay(parameters)) {
    const tensors = chosen.map((i) => parameters[i]!.tensor);
    if (weightDecay !== 0) change(tensors, weightDecay, chosen);
  }
}

import * as torch from "../index.js";
import type { AdamWOptions } from "./adamw.js";
import type { Optimizer } from "./optimizer.js";

/** Lion's options. Its betas have the names of Adam's, as in transformers' Trainer. */
export type LionOptions = Pick<AdamWOptions, "adamBeta1" | "adamBeta2">;

/**
 * Lion (arXiv 2302.06675, algorithm 2): every element moves by the learning rate, in the direction sign(β1·m + (1−β1)·g), with
 * decoupled weight decay; then m = β2·m + (1−β2)·g. The derivative of a sign is 0 almost everywhere, so a step has none here.
 */
export const lion: Optimizer<LionOptions> = {
  uses: ["adamBeta1", "adamBeta2"],
  defaults: { adamBeta2: 0.99 },
  stateForms: ({ shape, dtype }) => ({ exp_avg: { shape, dtype } }),
  update(parameters, gradients, state, learningRate, { adamBeta1: beta1, adamBeta2: beta2 }) {
    state.steps += 1;
    torch.noGrad(() => {
      // One tensor after the other, so that the directions of all are never in memory.
      for (const [i, { tensor, weightDecay }] of parameters.entries())
        torch.scope(() => {
          const [gradient, mean] = [gradients[i]!, state.memories[i]!.exp_avg!];
          const mixed = torch.add_(torch.mulScalar(mean, beta1), gradient, { alpha: 1 - beta1 });
          if (weightDecay !== 0) torch.mulScalar_(tensor, 1 - learningRate * weightDecay);
          torch.add_(tensor, torch.sign_(mixed), { alpha: -learningRate });
          torch.add_(torch.mulScalar_(mean, beta2), gradient, { alpha: 1 - beta2 });
        });
    });
  },
};

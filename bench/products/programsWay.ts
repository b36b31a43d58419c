import { Linear } from "../../src/nn/index.js";
import * as torch from "../../src/torch/index.js";
import type { Way } from "./ways.js";

/**
 * What the program's own rule takes, asked through its code: the forward pass of a linear layer, and what gives the gradient of
 * its input. The one place here that knows how the program multiplies by a frozen weight.
 */
export const programsWay: Way = {
  name: "the program",
  fits: () => true,
  prepare(weight, direction) {
    if (direction !== "forward") return (g) => torch.linearInputGradient(g, weight);
    const [to, from] = weight.shape as [number, number];
    const layer = new Linear(from, to, { bias: false });
    layer.weight.fill(torch.alias(weight));
    return (x) => layer.base(x);
  },
};

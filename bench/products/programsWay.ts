import { Linear } from "../../src/nn/index.js";
import * as torch from "../../src/torch/index.js";
import type { Way } from "./ways.js";

/**
 * The program's own choice: a linear layer's forward pass, and the code that computes its input's gradient. Nothing else in the
 * benchmark knows how the program multiplies by a frozen weight.
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

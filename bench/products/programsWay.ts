import { Linear } from "../../src/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { random } from "./random.js";
import type { Way } from "./ways.js";

/**
 * What the program's own rule takes, asked through its code: the forward pass of a linear layer, and autograd through it.
 * The one place here that knows how the program multiplies by a frozen weight.
 */
export const programsWay: Way = {
  name: "the program",
  fits: () => true,
  prepare(weight, direction, rows) {
    const [to, from] = weight.shape as [number, number];
    const layer = new Linear(from, to, { bias: false });
    layer.weight.fill(torch.alias(weight));
    if (direction === "forward") return (x) => torch.noGrad(() => layer.base(x));
    const x = random([rows, from], weight.dtype).setRequiresGrad(true);
    const y = torch.enableGrad(() => layer.base(x));
    return (g) => torch.grad([y], [x], { gradOutputs: [g], retainGraph: true })[0] as torch.Tensor;
  },
};

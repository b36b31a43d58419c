import { Linear } from "../../src/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { random } from "./random.js";
import type { Direction, Way } from "./ways.js";

/** A backward pass makes so many of a small layer's products that what it costs to begin one does not count. */
const MULTIPLICATIONS = 2 ** 26;
const MOST = 16;

function productsPerCall(direction: Direction, multiplications: number): number {
  return direction === "forward" ? 1 : Math.min(MOST, Math.ceil(MULTIPLICATIONS / multiplications));
}

/**
 * What the program's own rule takes, asked through its code: the forward pass of a linear layer, and autograd through it.
 * The one place here that knows how the program multiplies by a frozen weight.
 */
export const programsWay: Way = {
  name: "the program",
  fits: () => true,
  productsPerCall,
  prepare(weight, direction, rows) {
    const [to, from] = weight.shape as [number, number];
    const layer = new Linear(from, to, { bias: false });
    layer.weight.fill(torch.alias(weight));
    if (direction === "forward") return (x) => torch.noGrad(() => layer.base(x));
    const count = productsPerCall(direction, rows * from * to);
    const inputs = Array.from({ length: count }, () => random([rows, from], weight.dtype).setRequiresGrad(true));
    const outputs = torch.enableGrad(() => inputs.map((x) => layer.base(x)));
    return (g) => torch.grad(outputs, inputs, { gradOutputs: outputs.map(() => g), retainGraph: true });
  },
};

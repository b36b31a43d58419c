// Steps of optimizers by their formulas in plain numbers: the reference for those that torch.optim lacks, and for SGD as an example.
import { expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { initState, OPTIMIZERS, type OptimizerName, type OptimizerOptions } from "../../../src/torch/optim/index.js";

/** A step of one element. It returns the new value, and keeps what the next step needs in `state`, which is empty before the first. */
type Step = (
  given: { readonly p: number; readonly g: number; readonly learningRate: number },
  state: Record<string, number>,
  options: OptimizerOptions & { readonly weightDecay: number },
) => number;

const FORMULAS: Partial<Record<OptimizerName, Step>> = {
  sgd({ p, g, learningRate }, state, { momentum, weightDecay }) {
    state.b = momentum * (state.b ?? 0) + g + weightDecay * p;
    return p - learningRate * state.b;
  },
  lion({ p, g, learningRate }, state, { adamBeta1, adamBeta2, weightDecay }) {
    const { m = 0 } = state;
    state.m = adamBeta2 * m + (1 - adamBeta2) * g;
    return p - learningRate * (Math.sign(adamBeta1 * m + (1 - adamBeta1) * g) + weightDecay * p);
  },
};

const OPTIONS = { adamBeta1: 0.9, adamBeta2: 0.99, adamEpsilon: 1e-8, momentum: 0.8 };
/** One for each tensor. */
const DECAYS = [0.1, 0, 0.3];
const RATES = [0.1, 0.02, 0.3];
const SHAPES = [[3, 5], [4], []];

test.each(Object.entries(FORMULAS) as [OptimizerName, Step][])("%s takes the steps of its formula", (name, step) => {
  const generator = new torch.Generator(3);
  const drawn = (shape: readonly number[]) =>
    torch.normal_(torch.empty(shape, { dtype: "float64" }), 0, 1, { generator });
  const parameters = SHAPES.map((shape, i) => ({ tensor: drawn(shape), weightDecay: DECAYS[i]! }));
  const tensors = parameters.map(({ tensor }) => tensor);
  const state = initState(OPTIMIZERS[name], tensors, OPTIONS);
  const expected = tensors.map((tensor) => tensor.toArray().map((p) => ({ p, state: {} })));
  for (const learningRate of RATES) {
    const gradients = SHAPES.map(drawn);
    OPTIMIZERS[name].update(parameters, gradients, state, learningRate, OPTIONS);
    for (const [i, elements] of expected.entries()) {
      const options = { ...OPTIONS, weightDecay: DECAYS[i]! };
      for (const [j, g] of gradients[i]!.toArray().entries())
        elements[j]!.p = step({ p: elements[j]!.p, g, learningRate }, elements[j]!.state, options);
    }
  }
  for (const [i, elements] of expected.entries())
    for (const [j, value] of tensors[i]!.toArray().entries()) expect(value).toBeCloseTo(elements[j]!.p, 12);
  expect(state.steps).toBe(RATES.length);
});

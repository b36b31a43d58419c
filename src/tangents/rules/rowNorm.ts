// normed = norm(x) by rows. Shapes: x [..., H].
import * as torch from "../../torch/index.js";
import type { ForwardState, Rule } from "../rule.js";
import { byFormula } from "./formula.js";

const [X, WEIGHT, BIAS, EPSILON, CENTRED] = [0, 1, 2, 3, 4] as const;

/** For a norm whose weight or bias moves, or has a gradient that is asked for. */
const formula = byFormula((state, inputs) => state.replay(inputs), { isCheap: true });

export const rowNorm: Rule = {
  ...formula,
  tangents(state) {
    const { x, factors, rest, options } = read(state);
    if (factors.some((place) => state.tangent(place))) return formula.tangents(state);
    return [torch.rowNormTangent(state.value(x), ...rest, state.tangent(x) as torch.Tensor, options)];
  },
  backward(state) {
    const { x, factors, rest, options } = read(state);
    const gradient = state.gradient(0);
    const isTrained = factors.some((place) => state.tangent(place) || state.wantsChange(place));
    if (!gradient || isTrained) return formula.backward(state);
    const given = [state.tangent(x) ?? null, gradient, state.change(0) ?? null] as const;
    const [change, plain] = torch.rowNormTangentBackward(state.value(x), ...rest, ...given, options);
    if (state.wantsChange(x)) state.addChange(x, change);
    if (state.wantsGradient(x)) state.addGradient(x, plain);
  },
};

function read(state: ForwardState) {
  const [x, weight, bias] = [X, WEIGHT, BIAS].map((index) => state.place(index));
  return {
    x: x as torch.Place,
    factors: [weight, bias].filter((place) => place !== undefined),
    rest: [state.value(weight as torch.Place), state.argument(EPSILON) as number] as const,
    options: { centred: state.argument(CENTRED) as boolean },
  };
}

// ẏ = gelu'(x)·ẋ; ġ_x = gelu''(x)·ẋ·g + gelu'(x)·ġ.
import * as torch from "../../torch/index.js";
import type { Rule } from "../rule.js";
import { byFormula } from "./formula.js";

const formula = byFormula((state, inputs) => state.replay(inputs), { isCheap: true });

export const gelu: Rule = {
  ...formula,
  tangents(state) {
    const x = state.place(0) as torch.Place;
    const tangent = state.tangent(x) as torch.Tensor;
    return [torch.geluTangent(state.value(x), tangent, { approximate: state.argument(1) as string })];
  },
  backward(state) {
    const x = state.place(0) as torch.Place;
    const [tangent, gradient] = [state.tangent(x), state.gradient(0)];
    if (!tangent || !gradient) return formula.backward(state);
    const options = { approximate: state.argument(1) as string };
    const [change, plain] = torch.geluTangentBackward(
      state.value(x),
      tangent,
      gradient,
      state.change(0) ?? null,
      options,
    );
    if (state.wantsChange(x)) state.addChange(x, change);
    if (state.wantsGradient(x)) state.addGradient(x, plain);
  },
};

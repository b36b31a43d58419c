// Turning by angles that do not move is linear: ẏ = rotary(ẋ), g_x = rotaryᵀ(g), ġ_x = rotaryᵀ(ġ).
import * as torch from "../../torch/index.js";
import { type CallFacts, type ForwardState, placeAt, places, type Rule } from "../rule.js";

const [X, COS, SIN, HEADS, TRANSPOSED] = [0, 1, 2, 3, 4];

export const rotary: Rule = {
  isCheap: true,
  keptGradients: () => [],
  readsForward: angles,
  readsBackward: angles,
  tangents(state) {
    const tangent = state.tangent(state.place(X) as torch.Place);
    return [tangent && turned(state, tangent, false)];
  },
  backward(state) {
    const x = state.place(X) as torch.Place;
    const [gradient, change] = [state.gradient(0), state.change(0)];
    if (change && state.wantsChange(x)) state.addChange(x, turned(state, change, true));
    if (gradient && state.wantsGradient(x)) state.addGradient(x, turned(state, gradient, true));
  },
};

function angles({ call }: CallFacts) {
  return { values: places(placeAt(call, COS), placeAt(call, SIN)) };
}

function turned(state: ForwardState, x: torch.Tensor, isBack: boolean): torch.Tensor {
  const value = (index: number) => state.value(state.place(index) as torch.Place);
  const transposed = state.argument(TRANSPOSED) !== isBack;
  return torch.rotary(x, value(COS), value(SIN), state.argument(HEADS) as number, { transposed });
}

// y = x·Wᵀ + b: ẏ = ẋ·Wᵀ + x·Ẇᵀ + ḃ, ġ_x = ġ·W + g·Ẇ, ġ_W = ġᵀ·x + gᵀ·ẋ. Shapes: x [..., in], W [out, in].
import * as torch from "../../torch/index.js";
import { type BackwardState, placeAt, places, type Rule } from "../rule.js";

const [X, WEIGHT, BIAS] = [0, 1, 2];

export const linear: Rule = {
  isCheap: false,
  keptGradients: ({ call }) => places(placeAt(call, X)),
  readsForward({ call, moves }) {
    const [x, weight] = [placeAt(call, X), placeAt(call, WEIGHT)];
    const isBiasAlone = !moves(x) && !moves(weight);
    return { values: [...(moves(x) ? places(weight) : []), ...(moves(weight) || isBiasAlone ? places(x) : [])] };
  },
  readsBackward({ call, moves, wants }) {
    const [x, weight] = [placeAt(call, X), placeAt(call, WEIGHT)];
    const ofWeight = wants(weight) ? places(x) : [];
    const both = wants(x) ? places(weight) : [];
    return { values: [...ofWeight, ...both], tangents: [...ofWeight, ...both].filter(moves) };
  },
  tangents(state) {
    const [x, weight, bias] = [X, WEIGHT, BIAS].map((index) => state.place(index));
    const [xDot, weightDot] = [state.tangent(x!), state.tangent(weight!)];
    const biasDot = bias === undefined ? undefined : state.tangent(bias);
    const parts = [
      xDot && torch.fastLinear(xDot, state.value(weight!)),
      weightDot && torch.fastLinear(state.value(x!), weightDot),
    ].filter((part) => part !== undefined);
    const [first, second] = parts;
    const product = first && second ? torch.add(first, second) : first;
    if (product) return [biasDot ? torch.add(product, biasDot) : product];
    if (!biasDot) return [undefined];
    const value = state.value(x!);
    return [torch.clone(torch.expand(biasDot, [...value.shape.slice(0, -1), biasDot.numel]))];
  },
  backward(state) {
    const [x, weight, bias] = [X, WEIGHT, BIAS].map((index) => state.place(index));
    const [gradient, change] = [state.gradient(0), state.change(0)];
    if (state.wantsChange(x!)) {
      if (change) state.addChange(x!, torch.linearInputGradient(change, state.value(weight!)));
      const weightDot = state.tangent(weight!);
      if (weightDot && gradient) state.addChange(x!, torch.linearInputGradient(gradient, weightDot));
    }
    if (state.wantsGradient(x!) && gradient)
      state.addGradient(x!, torch.linearInputGradient(gradient, state.value(weight!)));
    weightBackward(state, x!, weight!);
    if (bias === undefined) return;
    if (state.wantsChange(bias) && change) state.addChange(bias, torch.sumDim(rows(change), [0]));
    if (state.wantsGradient(bias) && gradient) state.addGradient(bias, torch.sumDim(rows(gradient), [0]));
  },
};

function weightBackward(state: BackwardState, x: torch.Place, weight: torch.Place): void {
  if (!state.wantsChange(weight)) return;
  const [gradient, change] = [state.gradient(0), state.change(0)];
  const transposed = (of: torch.Tensor) => torch.t(rows(of));
  if (change) state.addChange(weight, torch.mm(transposed(change), rows(state.value(x))));
  const xDot = state.tangent(x);
  if (xDot && gradient) state.addChange(weight, torch.mm(transposed(gradient), rows(xDot)));
  if (gradient && state.wantsGradient(weight))
    state.addGradient(weight, torch.mm(transposed(gradient), rows(state.value(x))));
}

/** [..., n] → [N, n] */
function rows(x: torch.Tensor): torch.Tensor {
  return torch.reshape(x, [-1, x.shape.at(-1) as number]);
}

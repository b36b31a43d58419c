// L = Σ_k CE(x_k·Wᵀ + b) for a frozen W, with G = ∇L of the inputs, which the call gives: L̇ = ⟨G, ẋ⟩ and ġ_x = ġ·G + g·∇²L·ẋ.
// Shapes: x, ẋ and G [K, H], W [V, H].
import * as torch from "../../torch/index.js";
import { type CallFacts, type ForwardState, NoTangent, placeAt, places, type Rule } from "../rule.js";

const [X, WEIGHT, BIAS, TARGET] = [0, 1, 2, 3];

/** Where W or b is trained, there is no rule. */
function isTrained(call: torch.TapeCall, isSo: (place: torch.Place) => boolean): boolean {
  return places(placeAt(call, WEIGHT), placeAt(call, BIAS)).some(isSo);
}

const gradientOf = ({ call }: Pick<CallFacts, "call">) => call.results[1]!;

export const linearCrossEntropy: Rule = {
  isCheap: false,
  keptGradients: () => [],
  readsForward: (facts) => ({ values: [gradientOf(facts)] }),
  readsBackward: (facts) => {
    const [x, weight, bias, target] = [X, WEIGHT, BIAS, TARGET].map((index) => placeAt(facts.call, index));
    return { values: places(x, weight, bias, target, gradientOf(facts)), tangents: places(x).filter(facts.moves) };
  },
  tangents(state) {
    if (isTrained(state.call, (place) => state.tangent(place) !== undefined)) throw new NoTangent(state.call.operator);
    const xDot = state.tangent(state.place(X)!);
    return [xDot && inner(state.value(gradientOf(state)), xDot)];
  },
  backward(state) {
    if (isTrained(state.call, state.wantsChange)) throw new NoTangent(state.call.operator);
    const x = state.place(X)!;
    const [gradient, change, xDot] = [state.gradient(0), state.change(0), state.tangent(x)];
    const own = () => state.value(gradientOf(state));
    if (state.wantsGradient(x) && gradient) state.addGradient(x, torch.mul(own(), gradient));
    if (!state.wantsChange(x)) return;
    if (change) state.addChange(x, torch.mul(own(), change));
    if (gradient && xDot) state.addChange(x, torch.mul(along(state, xDot), gradient));
  },
};

/** ∇²L·ẋ */
function along(state: ForwardState, xDot: torch.Tensor): torch.Tensor {
  const bias = state.place(BIAS);
  return torch.linearCrossEntropyTangent(
    state.value(state.place(X)!),
    xDot,
    state.value(state.place(WEIGHT)!),
    bias === undefined ? null : state.value(bias),
  );
}

/** In the type of the loss. */
function inner(a: torch.Tensor, b: torch.Tensor): torch.Tensor {
  const dtype = a.dtype === "float64" ? "float64" : "float32";
  return torch.sum(torch.mul(torch.castTo(a, dtype), torch.castTo(b, dtype)));
}

// y = f(gate)∘up: ẏ = f'(gate)∘ġate∘up + f(gate)∘u̇p, and the gradients' tangents by the product rule.
import * as torch from "../../torch/index.js";
import type { ForwardState, Rule } from "../rule.js";
import { byFormula } from "./formula.js";

const formula = byFormula((state, inputs) => state.replay(inputs), { isCheap: true });

/** @param activation f as the call has it */
const gated = (activation: (state: ForwardState) => string): Rule => ({
  ...formula,
  tangents(state) {
    const { values, tangents } = read(state);
    return [torch.gatedTangent(...values, ...tangents, { activation: activation(state) })];
  },
  backward(state) {
    const { places, values, tangents } = read(state);
    const gradient = state.gradient(0);
    if (!gradient) return formula.backward(state);
    const changes = [gradient, state.change(0) ?? null] as const;
    const found = torch.gatedTangentBackward(...values, ...tangents, ...changes, { activation: activation(state) });
    for (const [i, place] of places.entries()) {
      if (state.wantsChange(place)) state.addChange(place, found[i] as torch.Tensor);
      if (state.wantsGradient(place)) state.addGradient(place, found[2 + i] as torch.Tensor);
    }
  },
});

export const siluMul = gated(() => "silu");
export const geluMul = gated((state) => (state.argument(2) === "tanh" ? "gelu_tanh" : "gelu"));

function read(state: ForwardState) {
  const places = [0, 1].map((index) => state.place(index)) as [torch.Place, torch.Place];
  const [gate, up] = places;
  return {
    places,
    values: [state.value(gate), state.value(up)] as const,
    tangents: [state.tangent(gate) ?? null, state.tangent(up) ?? null] as const,
  };
}

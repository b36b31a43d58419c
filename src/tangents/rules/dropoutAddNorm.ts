// sum = residual + dropout(x), normed = norm(sum) by rows. Shapes: N tokens, H hidden size.
import * as torch from "../../torch/index.js";
import type { ForwardState, Rule } from "../rule.js";
import { byFormula } from "./formula.js";

const [X, RESIDUAL, WEIGHT, BIAS, EPSILON, CENTRED, P, SEED, STREAM] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;

/** For a norm whose weight or bias moves, or has a gradient that is asked for. */
const formula = byFormula(
  (state, inputs) => {
    const [x, residual, weight, bias] = inputs as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | undefined];
    const { epsilon, centred, p, seed, stream } = settings(state);
    const sum = torch.add(p > 0 ? torch.dropout(x, p, seed, stream) : x, residual);
    const size = [x.shape[1] as number];
    const normed = centred
      ? torch.layerNorm(sum, size, weight, bias, epsilon)
      : torch.rmsNorm(sum, size, weight, epsilon);
    return [normed, sum];
  },
  { isCheap: true },
);

export const dropoutAddNorm: Rule = {
  ...formula,
  tangents(state) {
    const { places, values, tangents, options } = read(state);
    if ([WEIGHT, BIAS].some((index) => places[index] !== undefined && state.tangent(places[index])))
      return formula.tangents(state);
    return torch.dropoutAddNormTangent(...values, ...tangents, options);
  },
  backward(state) {
    const { places, values, tangents, options } = read(state);
    const gradient = state.gradient(0);
    const isTrained = [WEIGHT, BIAS].some((index) => {
      const place = places[index];
      return place !== undefined && (state.tangent(place) || state.wantsChange(place));
    });
    if (!gradient || isTrained) return formula.backward(state);
    const given = [gradient, state.change(0) ?? null, state.gradient(1) ?? null, state.change(1) ?? null] as const;
    const found = torch.dropoutAddNormTangentBackward(...values, ...tangents, ...given, options);
    for (const index of [X, RESIDUAL]) {
      const place = places[index] as torch.Place;
      if (state.wantsChange(place)) state.addChange(place, found[index]);
      if (state.wantsGradient(place)) state.addGradient(place, found[2 + index] as torch.Tensor);
    }
  },
};

function settings(state: ForwardState) {
  const [epsilon, p, seed, stream] = ([EPSILON, P, SEED, STREAM] as const).map((index) => state.argument(index)) as [
    number,
    number,
    number,
    number,
  ];
  return { epsilon, centred: state.argument(CENTRED) as boolean, p, seed, stream };
}

function read(state: ForwardState) {
  const places = [X, RESIDUAL, WEIGHT, BIAS].map((index) => state.place(index));
  const [x, residual, weight, bias] = places as [torch.Place, torch.Place, torch.Place, torch.Place | undefined];
  const { epsilon, ...options } = settings(state);
  const offset = bias === undefined ? null : state.value(bias);
  return {
    places,
    values: [state.value(x), state.value(residual), state.value(weight), offset, epsilon] as const,
    tangents: [state.tangent(x) ?? null, state.tangent(residual) ?? null] as const,
    options,
  };
}

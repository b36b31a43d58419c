// n_i = ‖w_i + s·b_i·A‖. Shapes: W [out, in], A [r, in], B [out, r], n [out].
import * as torch from "../../torch/index.js";
import type { ForwardState, Rule } from "../rule.js";
import { byFormula } from "./formula.js";

const [WEIGHT, SQUARED_BASE, A, B, SCALE] = [0, 1, 2, 3, 4] as const;

/** n of W, ‖w‖², A and B, by operators that can be differentiated twice. */
export function normByFormula(
  [weight, squaredBase, a, b]: readonly torch.Tensor[],
  { scale, cancellation, smallest }: NormNumbers,
): torch.Tensor {
  const [factorA, factorB, base] = [a, b, squaredBase] as [torch.Tensor, torch.Tensor, torch.Tensor];
  const wide = torch.to(weight as torch.Tensor, factorA.dtype);
  const cross = torch.sumDim(torch.mul(torch.linear(wide, factorA), factorB), [1]);
  const own = torch.sumDim(torch.mul(torch.mm(factorB, torch.mm(factorA, torch.t(factorA))), factorB), [1]);
  const positive = torch.add(base, own, { alpha: scale ** 2 });
  const squared = torch.add(positive, cross, { alpha: 2 * scale });
  const margin = torch.min(torch.sub(squared, positive, { alpha: cancellation })).item();
  if (margin > 0) return torch.sqrt(squared);
  const direction = torch.add(wide, torch.mm(factorB, factorA), { alpha: scale });
  const lengths = torch.sumDim(torch.square(direction), [1]);
  return torch.sqrt(torch.clampMin(lengths, smallest ** 2));
}

/** The numbers that a norm's operator takes. */
export interface NormNumbers {
  readonly scale: number;
  readonly cancellation: number;
  readonly smallest: number;
}

/** @param first the place of the scale among the arguments */
export function normNumbers(state: ForwardState, first: number): NormNumbers {
  const [scale, cancellation, smallest] = [0, 1, 2].map((i) => state.argument(first + i) as number);
  return { scale: scale!, cancellation: cancellation!, smallest: smallest! };
}

/** ṅ from W, ‖w‖², A, B and n. */
export function normTangent(state: ForwardState, norm: torch.Tensor, numbers: NormNumbers): torch.Tensor {
  const [weight, squaredBase, a, b] = [WEIGHT, SQUARED_BASE, A, B].map((index) => state.place(index)) as PlacesOfNorm;
  return torch.directionNormTangent(
    state.value(weight),
    state.value(squaredBase),
    state.value(a),
    state.value(b),
    numbers.scale,
    numbers.cancellation,
    numbers.smallest,
    norm,
    state.tangent(a) ?? null,
    state.tangent(b) ?? null,
  );
}

type PlacesOfNorm = [torch.Place, torch.Place, torch.Place, torch.Place];

const formula = byFormula((state, inputs) => [normByFormula(inputs, normNumbers(state, SCALE))]);

/** Forward, W is read once. Backward, where A and B have gradients that are asked for, the formula serves. */
export const directionNorm: Rule = {
  ...formula,
  readsForward: ({ call }) => ({ values: [...call.inputs, ...call.results] }),
  tangents: (state) => [
    normTangent(state, state.value(state.call.results[0] as torch.Place), normNumbers(state, SCALE)),
  ],
};

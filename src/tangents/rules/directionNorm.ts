// n_i = ‖w_i + s·b_i·A‖. Shapes: W [out, in], A [r, in], B [out, r], n [out].
import * as torch from "../../torch/index.js";
import type { Rule } from "../rule.js";
import { byFormula } from "./formula.js";

const [WEIGHT, SQUARED_BASE, A, B, SCALE, CANCELLATION, SMALLEST] = [0, 1, 2, 3, 4, 5, 6] as const;

const formula = byFormula((state, inputs) => {
  const [weight, squaredBase, a, b] = inputs as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor];
  const number = (index: number) => state.argument(index) as number;
  const [scale, smallest] = [number(SCALE), number(SMALLEST)];
  const wide = weight.dtype === a.dtype ? weight : torch.to(weight, a.dtype);
  const cross = torch.sumDim(torch.mul(torch.linear(wide, a), b), [1]);
  const own = torch.sumDim(torch.mul(torch.mm(b, torch.mm(a, torch.t(a))), b), [1]);
  const positive = torch.add(squaredBase, own, { alpha: scale ** 2 });
  const squared = torch.add(positive, cross, { alpha: 2 * scale });
  const margin = torch.min(torch.sub(squared, positive, { alpha: number(CANCELLATION) })).item();
  if (margin > 0) return [torch.sqrt(squared)];
  const direction = torch.add(wide, torch.mm(b, a), { alpha: scale });
  const lengths = torch.sumDim(torch.square(direction), [1]);
  return [torch.sqrt(torch.clampMin(lengths, smallest ** 2))];
});

/** Forward, W is read once. Backward, where A and B have gradients that are asked for, the formula serves. */
export const directionNorm: Rule = {
  ...formula,
  readsForward: ({ call }) => ({ values: [...call.inputs, ...call.results] }),
  tangents(state) {
    const at = (index: number) => state.place(index) as torch.Place;
    const value = (index: number) => state.value(at(index));
    const number = (index: number) => state.argument(index) as number;
    return [
      torch.directionNormTangent(
        value(WEIGHT),
        value(SQUARED_BASE),
        value(A),
        value(B),
        number(SCALE),
        number(CANCELLATION),
        number(SMALLEST),
        state.value(state.call.results[0] as torch.Place),
        state.tangent(at(A)) ?? null,
        state.tangent(at(B)) ?? null,
      ),
    ];
  },
};

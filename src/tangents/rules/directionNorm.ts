// n_i = ‖w_i + s·b_i·A‖. Shapes: W [out, in], A [r, in], B [out, r], n [out].
import * as torch from "../../torch/index.js";
import { byFormula } from "./formula.js";

const [SCALE, CANCELLATION, SMALLEST] = [4, 5, 6];

export const directionNorm = byFormula((state, inputs) => {
  const [weight, squaredBase, a, b] = inputs as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor];
  const [scale, cancellation, smallest] = [SCALE, CANCELLATION, SMALLEST].map((index) => Number(state.argument(index)));
  const wide = weight.dtype === a.dtype ? weight : torch.to(weight, a.dtype);
  const cross = torch.sumDim(torch.mul(torch.linear(wide, a), b), [1]);
  const own = torch.sumDim(torch.mul(torch.mm(b, torch.mm(a, torch.t(a))), b), [1]);
  const positive = torch.add(squaredBase, own, { alpha: (scale as number) ** 2 });
  const squared = torch.add(positive, cross, { alpha: 2 * (scale as number) });
  const margin = torch.min(torch.sub(squared, positive, { alpha: cancellation as number })).item();
  if (margin > 0) return [torch.sqrt(squared)];
  const direction = torch.add(wide, torch.mm(b, a), { alpha: scale as number });
  const lengths = torch.sumDim(torch.square(direction), [1]);
  return [torch.sqrt(torch.clampMin(lengths, (smallest as number) ** 2))];
});

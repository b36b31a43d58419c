// sum = residual + dropout(x), normed = norm(sum) by rows. Shapes: N tokens, H hidden size.
import * as torch from "../../torch/index.js";
import { byFormula } from "./formula.js";

const EPSILON = 4;
const CENTRED = 5;
const P = 6;
const SEED = 7;
const STREAM = 8;

export const dropoutAddNorm = byFormula(
  (state, inputs) => {
    const [x, residual, weight, bias] = inputs as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | undefined];
    const [epsilon, p, seed, stream] = [EPSILON, P, SEED, STREAM].map((index) => Number(state.argument(index)));
    const dropped = p ? torch.dropout(x, p, seed as number, stream as number) : x;
    const sum = torch.add(dropped, residual);
    const size = [x.shape[1] as number];
    return state.argument(CENTRED)
      ? [torch.layerNorm(sum, size, weight, bias, epsilon), sum]
      : [torch.rmsNorm(sum, size, weight, epsilon), sum];
  },
  { isCheap: true },
);

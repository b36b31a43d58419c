// What is filled is constant, so nothing goes through there.
import * as torch from "../../torch/index.js";
import type { Rule } from "../rule.js";
import { byFormula } from "./formula.js";

const formula = byFormula((state, inputs) => state.replay(inputs), { isCheap: true });

export const maskedFill: Rule = {
  ...formula,
  tangents(state) {
    const [x, mask] = [state.place(0) as torch.Place, state.place(1) as torch.Place];
    const [tangent, hidden] = [state.tangent(x) as torch.Tensor, state.value(mask)];
    return torch.sameShape(tangent.shape, hidden.shape)
      ? [torch.maskedFill(tangent, hidden, 0)]
      : formula.tangents(state);
  },
};

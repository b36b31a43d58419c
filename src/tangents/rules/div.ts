// y = m / n of one shape: ẏ = (ṁ − y·ṅ) / n; ġ_m = (ġ − g·ṅ/n) / n.
import * as torch from "../../torch/index.js";
import type { ForwardState, Rule } from "../rule.js";
import { byFormula } from "./formula.js";

const formula = byFormula((state, inputs) => state.replay(inputs), { isCheap: true });

export const div: Rule = {
  ...formula,
  tangents(state) {
    const { m, n } = read(state);
    const [mDot, nDot] = [state.tangent(m), state.tangent(n)];
    const divisor = state.value(n);
    if (!torch.sameShape(state.value(m).shape, divisor.shape)) return formula.tangents(state);
    if (!nDot) return [torch.div(mDot as torch.Tensor, divisor)];
    const lost = torch.mul(torch.div(state.value(m), divisor), nDot);
    return [torch.div(mDot ? torch.sub(mDot, lost) : torch.neg(lost), divisor)];
  },
  backward(state) {
    const { m, n } = read(state);
    const divisor = state.value(n);
    if (state.wantsChange(n) || !torch.sameShape(state.value(m).shape, divisor.shape)) return formula.backward(state);
    const [gradient, change, nDot] = [state.gradient(0), state.change(0), state.tangent(n)];
    if (change) state.addChange(m, torch.div(change, divisor));
    if (!gradient) return;
    const plain = torch.div(gradient, divisor);
    if (nDot) state.addChange(m, torch.neg(torch.div(torch.mul(plain, nDot), divisor)));
    if (state.wantsGradient(m)) state.addGradient(m, plain);
  },
};

function read(state: ForwardState) {
  return { m: state.place(0) as torch.Place, n: state.place(1) as torch.Place };
}

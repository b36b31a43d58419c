// c = m / n with n_i = ‖w_i + s·b_i·A‖, and 0 where n is: ċ = (ṁ − c·ṅ) / n; ġ_m = (ġ − g·ṅ/n) / n.
// Shapes: W [out, in], A [r, in], B [out, r], m, n and c [out].
import * as torch from "../../torch/index.js";
import { type ForwardState, placeAt, places, type Rule } from "../rule.js";
import { normByFormula, normNumbers, normTangent } from "./directionNorm.js";
import { byFormula } from "./formula.js";
import { smallestSize } from "./smallestSize.js";

const [A, B, MAGNITUDE, SCALE, CONSTANT] = [2, 3, 4, 5, 8] as const;

const formula = byFormula((state, inputs) => {
  const compute = () => normByFormula(inputs, normNumbers(state, SCALE));
  const norm = isConstant(state) ? torch.noGrad(compute) : compute();
  return [torch.div(inputs[MAGNITUDE] as torch.Tensor, withoutZeros(state, norm))];
});

/** Where A and B have gradients that are asked for, the formula serves. */
export const directionGain: Rule = {
  ...formula,
  through: (call) => (call.arguments[CONSTANT] === true ? places(placeAt(call, MAGNITUDE)) : call.inputs),
  readsForward: ({ call }) => ({ values: [...call.inputs, ...call.results] }),
  readsBackward({ call, moves }) {
    const all = [...call.inputs, ...call.results];
    return { values: all, tangents: all.filter(moves) };
  },
  tangents(state) {
    const norm = withoutZeros(state, normOf(state));
    const { magnitudeDot, gain } = read(state);
    const normDot = movesNorm(state) ? normTangent(state, norm, normNumbers(state, SCALE)) : undefined;
    const lost = normDot && torch.mul(gain, normDot);
    if (!lost) return [magnitudeDot && torch.div(magnitudeDot, norm)];
    return [torch.div(magnitudeDot ? torch.sub(magnitudeDot, lost) : torch.neg(lost), norm)];
  },
  backward(state) {
    const { magnitude, result, magnitudeDot, gain } = read(state);
    const isOfNorm = [A, B].some((index) => state.wantsChange(state.place(index) as torch.Place));
    if ((isOfNorm && !isConstant(state)) || smallestSize(gain) === 0) {
      formula.backward(state);
      return;
    }
    const norm = torch.div(state.value(magnitude), gain);
    const [gradient, change, gainDot] = [state.gradient(0), state.change(0), state.tangent(result)];
    if (change) state.addChange(magnitude, torch.div(change, norm));
    if (!gradient) return;
    const plain = torch.div(gradient, norm);
    // ċ = ṁ/n − c·ṅ/n
    if (gainDot) {
      const share = magnitudeDot ? torch.sub(gainDot, torch.div(magnitudeDot, norm)) : gainDot;
      state.addChange(magnitude, torch.mul(plain, torch.div(share, gain)));
    }
    if (state.wantsGradient(magnitude)) state.addGradient(magnitude, plain);
  },
};

function read(state: ForwardState) {
  const [magnitude, result] = [state.place(MAGNITUDE) as torch.Place, state.call.results[0] as torch.Place];
  return { magnitude, result, magnitudeDot: state.tangent(magnitude), gain: state.value(result) };
}

function isConstant(state: ForwardState): boolean {
  return state.argument(CONSTANT) === true;
}

function movesNorm(state: ForwardState): boolean {
  const isMoving = (index: number) => state.tangent(state.place(index) as torch.Place) !== undefined;
  return !isConstant(state) && (isMoving(A) || isMoving(B));
}

/** n, which m and c leave no doubt of unless one of them is zero. */
function normOf(state: ForwardState): torch.Tensor {
  const { magnitude, gain } = read(state);
  if (smallestSize(gain) !== 0) return torch.div(state.value(magnitude), gain);
  const values = state.call.inputs.slice(0, MAGNITUDE).map((place) => state.value(place));
  return torch.noGrad(() => normByFormula(values, normNumbers(state, SCALE)));
}

function withoutZeros(state: ForwardState, norm: torch.Tensor): torch.Tensor {
  const isZero = torch.noGrad(() => torch.leScalar(norm, normNumbers(state, SCALE).smallest));
  return torch.maskedFill(norm, isZero, Number.POSITIVE_INFINITY);
}

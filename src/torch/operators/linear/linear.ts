// A linear layer, y = x·Wᵀ + b. Tangents: ẏ = ẋ·Wᵀ + x·Ẇᵀ + ḃ, ġ_x = ġ·W + g·Ẇ, ġ_W = ġᵀ·x + gᵀ·ẋ.
// Shapes: x [..., in], W [out, in], b [out].
import * as calls from "../../generated/recordedCalls.js";
import * as torch from "../../index.js";
import { usesKernel } from "../choose.js";
import { type BackwardState, ids, type Rule } from "../rule.js";

/** A layer's weight and bias, in its input's dtype. */
export interface LinearOperands {
  readonly weight: torch.Tensor;
  readonly bias: torch.Tensor | null;
  /** A copy of the weight in oneDNN's packed layout, if there is one. */
  readonly packed?: torch.Tensor | null;
}

/** The kernel's backward pass is another such product. @returns [..., out] */
export function linear(x: torch.Tensor, { weight, bias, packed = null }: LinearOperands): torch.Tensor {
  return usesKernel(x) ? torch.fastLinear(x, weight, bias, { packed }) : torch.linear(x, weight, bias);
}

/**
 * The products of several layers with the same input, without gradients.
 * @param x [N, in]
 * @param biases of all layers or of none
 * @returns [N, out] for each
 */
export function linears(
  x: torch.Tensor,
  weights: readonly torch.Tensor[],
  biases: readonly torch.Tensor[],
): readonly torch.Tensor[] {
  if (usesKernel(x)) return torch.fastLinears(x, weights, biases);
  return weights.map((weight, i) => torch.linear(x, weight, biases[i] ?? null));
}

/** g·W. gradient: [..., out] → [..., in] */
export function linearInputGradient(gradient: torch.Tensor, weight: torch.Tensor): torch.Tensor {
  return usesKernel(gradient) ? torch.linearInputGradient(gradient, weight) : torch.matmul(gradient, weight);
}

interface LinearCall {
  readonly input: torch.TensorId;
  readonly weight: torch.TensorId;
  readonly bias: torch.TensorId | undefined;
}

export const linearRule: Rule = ruleBy(calls.fastLinearCall);

/** The rule of libtorch's own linear. */
export const torchLinearRule: Rule = ruleBy(calls.linearCall);

function ruleBy(read: (call: torch.TapeCall) => LinearCall): Rule {
  return {
    isCheap: false,
    keptGradients: ({ call }) => [read(call).input],
    readsForward({ call, moves }) {
      const { input, weight } = read(call);
      const isBiasAlone = !moves(input) && !moves(weight);
      return { values: [...(moves(input) ? [weight] : []), ...(moves(weight) || isBiasAlone ? [input] : [])] };
    },
    readsBackward({ call, moves, wants }) {
      const { input, weight } = read(call);
      const values = [...(wants(weight) ? [input] : []), ...(wants(input) ? [weight] : [])];
      return { values, tangents: values.filter(moves) };
    },
    tangents(state) {
      const { input, weight, bias } = read(state.call);
      const [inputDot, weightDot] = [state.tangent(input), state.tangent(weight)];
      const biasDot = bias === undefined ? undefined : state.tangent(bias);
      const byInput = inputDot && linear(inputDot, { weight: state.value(weight), bias: null });
      const byWeight = weightDot && linear(state.value(input), { weight: weightDot, bias: null });
      const product = byInput && byWeight ? torch.add(byInput, byWeight) : (byInput ?? byWeight);
      if (product) return [biasDot ? torch.add(product, biasDot) : product];
      if (!biasDot) return [undefined];
      const shape = [...state.value(input).shape.slice(0, -1), biasDot.numel];
      return [torch.clone(torch.expand(biasDot, shape))];
    },
    backward(state) {
      const call = read(state.call);
      inputBackward(state, call);
      weightBackward(state, call);
      for (const bias of ids(call.bias)) biasBackward(state, bias);
    },
  };
}

function inputBackward(state: BackwardState, { input, weight }: LinearCall): void {
  const [gradient, change] = [state.gradient(0), state.change(0)];
  if (state.wantsChange(input)) {
    if (change) state.addChange(input, linearInputGradient(change, state.value(weight)));
    const weightDot = state.tangent(weight);
    if (weightDot && gradient) state.addChange(input, linearInputGradient(gradient, weightDot));
  }
  if (state.wantsGradient(input) && gradient)
    state.addGradient(input, linearInputGradient(gradient, state.value(weight)));
}

function weightBackward(state: BackwardState, { input, weight }: LinearCall): void {
  if (!state.wantsChange(weight)) return;
  const [gradient, change] = [state.gradient(0), state.change(0)];
  const transposed = (of: torch.Tensor) => torch.t(rows(of));
  if (change) state.addChange(weight, torch.mm(transposed(change), rows(state.value(input))));
  const inputDot = state.tangent(input);
  if (inputDot && gradient) state.addChange(weight, torch.mm(transposed(gradient), rows(inputDot)));
  if (gradient && state.wantsGradient(weight))
    state.addGradient(weight, torch.mm(transposed(gradient), rows(state.value(input))));
}

/** Adds the bias's gradient and its tangent, which are sums over rows. */
export function biasBackward(state: BackwardState, bias: torch.TensorId): void {
  const [gradient, change] = [state.gradient(0), state.change(0)];
  if (state.wantsChange(bias) && change) state.addChange(bias, torch.sumDim(rows(change), [0]));
  if (state.wantsGradient(bias) && gradient) state.addGradient(bias, torch.sumDim(rows(gradient), [0]));
}

/** [..., n] → [N, n] */
function rows(x: torch.Tensor): torch.Tensor {
  return torch.reshape(x, [-1, x.shape.at(-1)!]);
}

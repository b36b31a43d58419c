// The sum of the cross-entropies of a language model's outputs, L = Σ_k CE(x_k·Wᵀ + b), for a frozen W, without holding the logits of all
// tokens. The kernel computes G = ∇_x L along with the loss: L̇ = ⟨G, ẋ⟩ and ġ_x = ġ·G + g·∇²L·ẋ.
// Shapes: x, ẋ and G [K, H], W [V, H], b [V], target [K].
import * as calls from "../../generated/recordedCalls.js";
import * as torch from "../../index.js";
import { checkpoint } from "../checkpoint.js";
import { usesKernel } from "../choose.js";
import { type ForwardState, ids, NoTangent, type Rule } from "../rule.js";
import type { LinearOperands } from "./linear.js";

const KERNEL = { isTwiceDifferentiable: false };

/** A language model's output layer. */
interface OutputLayer {
  /** V */
  readonly vocabulary: number;
  /** x: [n, H] → [n, V] */
  logits(x: torch.Tensor): torch.Tensor;
  /** Calls an operator with the layer's weight and bias, if the logits are their plain product with x. */
  readonly product: ((operator: (operands: LinearOperands) => torch.Tensor) => torch.Tensor) | undefined;
}

/** The most bytes of logits that exist at a time. */
const CHUNK_BYTES = 2 ** 25;

/** libtorch's number for the reduction "sum". */
const SUM = 2;

/**
 * The sum of the cross-entropies, in float32 (float64 for float64 hidden states). Without the kernel it is computed in chunks, which the
 * backward pass recomputes; if it is differentiated twice, the logits of all tokens are kept.
 * @param target [K] int64
 */
export function linearCrossEntropy(x: torch.Tensor, output: OutputLayer, target: torch.Tensor): torch.Tensor {
  if (!output.product || !usesKernel(x, KERNEL)) return inChunks(x, output, target);
  return output.product(
    ({ weight, bias, packed = null }) => torch.linearCrossEntropy(x, weight, bias, target, { packed })[0],
  );
}

function inChunks(x: torch.Tensor, output: OutputLayer, target: torch.Tensor): torch.Tensor {
  const rows = target.numel;
  const ofChunk = Math.max(1, Math.floor(CHUNK_BYTES / (output.vocabulary * torch.DTYPE_BYTES.float32)));
  let sum: torch.Tensor | undefined;
  for (let start = 0; start < rows || !sum; start += ofChunk) {
    const part = torch.scope(() => {
      const count = Math.min(ofChunk, rows - start);
      const [states, chunk] = [torch.narrow(x, 0, start, count), torch.narrow(target, 0, start, count)];
      return checkpoint(() => torch.scope(() => fromLogits(states, output, chunk)));
    });
    sum = sum ? torch.add(sum, part) : part;
  }
  return sum;
}

function fromLogits(x: torch.Tensor, output: OutputLayer, target: torch.Tensor): torch.Tensor {
  const logits = output.logits(x); // n,V
  return torch.crossEntropyLoss(torch.castTo(logits, torch.wideDtype(logits.dtype)), target, null, SUM);
}

/** There is no rule for a trained W or b. */
function refuseTrained(state: ForwardState, isTrained: (id: torch.TensorId) => boolean): void {
  const { weight, bias } = calls.linearCrossEntropyCall(state.call);
  if (ids(weight, bias).some(isTrained)) throw new NoTangent(state.call.operator);
}

export const linearCrossEntropyRule: Rule = {
  isCheap: false,
  keptGradients: () => [],
  readsForward: ({ call }) => ({ values: [calls.linearCrossEntropyCall(call).results.inputGradient] }),
  readsBackward({ call, moves }) {
    const { input, weight, bias, target, results } = calls.linearCrossEntropyCall(call);
    return { values: ids(input, weight, bias, target, results.inputGradient), tangents: [input].filter(moves) };
  },
  tangents(state) {
    refuseTrained(state, (id) => state.tangent(id) !== undefined);
    const { input, results } = calls.linearCrossEntropyCall(state.call);
    const tangent = state.tangent(input);
    return [tangent && inner(state.value(results.inputGradient), tangent)];
  },
  backward(state) {
    refuseTrained(state, state.wantsChange);
    const { input, results } = calls.linearCrossEntropyCall(state.call);
    const [gradient, change, tangent] = [state.gradient(0), state.change(0), state.tangent(input)];
    const own = () => state.value(results.inputGradient);
    if (state.wantsGradient(input) && gradient) state.addGradient(input, torch.mul(own(), gradient));
    if (!state.wantsChange(input)) return;
    if (change) state.addChange(input, torch.mul(own(), change));
    if (gradient && tangent) state.addChange(input, torch.mul(hessianProduct(state, tangent), gradient));
  },
};

/** ∇²L·ẋ */
function hessianProduct(state: ForwardState, tangent: torch.Tensor): torch.Tensor {
  const { input, weight, bias } = calls.linearCrossEntropyCall(state.call);
  const offset = bias === undefined ? null : state.value(bias);
  return torch.linearCrossEntropyTangent(state.value(input), tangent, state.value(weight), offset);
}

/** In the loss's dtype. */
function inner(a: torch.Tensor, b: torch.Tensor): torch.Tensor {
  const dtype = torch.wideDtype(a.dtype);
  return torch.sum(torch.mul(torch.castTo(a, dtype), torch.castTo(b, dtype)));
}

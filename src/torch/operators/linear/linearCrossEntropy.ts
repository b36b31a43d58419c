// The cross-entropies of a language model's outputs, L_k = CE(x_k·Wᵀ + b), each or their sum, for a frozen W, without holding the logits of
// all tokens. The kernel computes G_k = ∇_x L_k along with the losses: L̇_k = ⟨G_k, ẋ_k⟩ and ġ_x = ġ_k·G_k + g_k·∇²L_k·ẋ_k.
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

/** libtorch's numbers for reductions. */
const [EACH, SUM] = [0, 2];

/**
 * The sum of the cross-entropies, in float32 (float64 for float64 hidden states). Without the kernel it is computed in chunks, which the
 * backward pass recomputes; if it is differentiated twice, the logits of all tokens are kept.
 * @param target [K] int64
 */
export function linearCrossEntropy(x: torch.Tensor, output: OutputLayer, target: torch.Tensor): torch.Tensor {
  if (!output.product || !usesKernel(x, KERNEL))
    return inChunks(x, output, target, SUM).reduce((sum, part) => torch.add(sum, part));
  return output.product(
    ({ weight, bias, packed = null }) => torch.linearCrossEntropy(x, weight, bias, target, { packed })[0],
  );
}

/** Each of them: [K]. The kernel has no gradient of W for these. */
export function linearCrossEntropies(x: torch.Tensor, output: OutputLayer, target: torch.Tensor): torch.Tensor {
  const byFormula = () => torch.cat(inChunks(x, output, target, EACH), 0);
  if (!output.product || !usesKernel(x, KERNEL)) return byFormula();
  return output.product(({ weight, bias, packed = null }) =>
    weight.requiresGrad || bias?.requiresGrad
      ? byFormula()
      : torch.linearCrossEntropy(x, weight, bias, target, { packed, each: true })[0],
  );
}

/** The losses of each chunk, at least one. */
function inChunks(x: torch.Tensor, output: OutputLayer, target: torch.Tensor, reduction: number): torch.Tensor[] {
  const rows = target.numel;
  const ofChunk = Math.max(1, Math.floor(CHUNK_BYTES / (output.vocabulary * torch.DTYPE_BYTES.float32)));
  return Array.from({ length: Math.max(1, Math.ceil(rows / ofChunk)) }, (_, i) =>
    torch.scope(() => {
      const count = Math.min(ofChunk, rows - i * ofChunk);
      const part = (of: torch.Tensor) => torch.narrow(of, 0, i * ofChunk, count);
      return checkpoint(() => torch.scope(() => fromLogits(part(x), output, part(target), reduction)));
    }),
  );
}

function fromLogits(x: torch.Tensor, output: OutputLayer, target: torch.Tensor, reduction: number): torch.Tensor {
  const logits = output.logits(x); // n,V
  return torch.crossEntropyLoss(torch.castTo(logits, torch.wideDtype(logits.dtype)), target, null, reduction);
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
    const { input, results, each } = calls.linearCrossEntropyCall(state.call);
    const tangent = state.tangent(input);
    return [tangent && products(state.value(results.inputGradient), tangent, each)];
  },
  backward(state) {
    refuseTrained(state, state.wantsChange);
    const { input, results } = calls.linearCrossEntropyCall(state.call);
    const [gradient, change] = [state.gradient(0), state.change(0)].map((given) => given && ofRows(given));
    const tangent = state.tangent(input);
    const own = () => state.value(results.inputGradient);
    if (state.wantsGradient(input) && gradient) state.addGradient(input, scaled(own(), gradient));
    if (!state.wantsChange(input)) return;
    if (change) state.addChange(input, scaled(own(), change));
    if (gradient && tangent) state.addChange(input, scaled(hessianProduct(state, tangent), gradient));
  },
};

/** ∇²L·ẋ */
function hessianProduct(state: ForwardState, tangent: torch.Tensor): torch.Tensor {
  const { input, weight, bias } = calls.linearCrossEntropyCall(state.call);
  const offset = bias === undefined ? null : state.value(bias);
  return torch.linearCrossEntropyTangent(state.value(input), tangent, state.value(weight), offset);
}

/** In the dtype of x, whatever that of the factor, which the loss has. */
const scaled = (x: torch.Tensor, factor: torch.Tensor): torch.Tensor => torch.castTo(torch.mul(x, factor), x.dtype);

/** A number for all rows, or [K] as [K, 1]. */
const ofRows = (given: torch.Tensor): torch.Tensor => (given.shape.length === 0 ? given : torch.unsqueeze(given, 1));

/** ⟨a, b⟩, of each row or of all, in the loss's dtype. */
function products(a: torch.Tensor, b: torch.Tensor, each: boolean): torch.Tensor {
  const dtype = torch.wideDtype(a.dtype);
  const product = torch.mul(torch.castTo(a, dtype), torch.castTo(b, dtype));
  return each ? torch.sumDim(product, [1]) : torch.sum(product);
}

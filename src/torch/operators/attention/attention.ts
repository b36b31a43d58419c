// Attention over packed tokens: softmax(scale·q·kᵀ + bias)·v for each sequence and head. The kernel keeps nothing of size N·M: its
// backward pass and its tangents recompute weights and masks.
// Shapes: q [N, H·D], k and v [M, G·D]: N queries, M keys, H heads, G key heads, head size D.
import * as calls from "../../generated/recordedCalls.js";
import * as torch from "../../index.js";
import { usesKernel } from "../choose.js";
import { addFound, type BackwardState, type CallFacts, type ForwardState, ids, type Rule } from "../rule.js";
import { attendOnDevice } from "./fusedAttention.js";
import type { AttentionOptions } from "./plainAttention.js";

const KERNEL = { isTwiceDifferentiable: false };

/** @returns [N, H·D] */
export function attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, options: AttentionOptions): torch.Tensor {
  const { layout, keyLayout, heads, kvHeads, scale, limits, dropout, bias, scores } = options;
  const mask = dropout?.mask;
  if (scores || bias?.requiresGrad || mask instanceof torch.Tensor || !usesKernel(q, KERNEL))
    return attendOnDevice(q, k, v, options);
  const rest = { ...limits, bias: bias ?? null, ...(mask && { p: dropout.p, ...mask }) };
  return torch.attention(q, k, v, layout.cuSeqlens, keyLayout.cuSeqlens, heads, kvHeads, scale, rest);
}

export const attentionRule: Rule = {
  isCheap: false,
  keptGradients: () => [],
  readsForward: ({ call }) => ({ values: call.inputs }),
  readsBackward: (facts) => ({ values: facts.call.inputs, tangents: operands(facts).filter(facts.moves) }),
  tangents(state) {
    const { values, tangents, others, options } = read(state);
    return [torch.attentionTangent(...values, ...tangents, ...others, options)];
  },
  backward(state) {
    const gradient = state.gradient(0);
    if (gradient) backward(state, gradient);
  },
};

function operands({ call }: Pick<CallFacts, "call">) {
  const { query, key, value } = calls.attentionCall(call);
  return ids(query, key, value);
}

function backward(state: BackwardState, gradient: torch.Tensor): void {
  const { values, tangents, others, options } = read(state);
  const given = [gradient, state.change(0) ?? null] as const;
  const found = torch.attentionTangentBackward(...values, ...tangents, ...given, ...others, options);
  addFound(state, operands(state), found);
}

function read(state: ForwardState) {
  const call = calls.attentionCall(state.call);
  const { query, key, value, bias, before, after, p, seed, stream } = call;
  const tangent = (id: torch.TensorId) => state.tangent(id) ?? null;
  const starts = [state.value(call.cuSeqlensQ), state.value(call.cuSeqlensK)] as const;
  return {
    values: [state.value(query), state.value(key), state.value(value)] as const,
    tangents: [tangent(query), tangent(key), tangent(value)] as const,
    others: [...starts, call.heads, call.kvHeads, call.scale] as const,
    options: { bias: bias === undefined ? null : state.value(bias), before, after, p, seed, stream },
  };
}

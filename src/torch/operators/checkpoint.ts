// Gradient checkpointing: the backward pass recomputes a part of the forward pass by the same operator calls. A tangent walk records the
// part when it reaches it. With y = f(x) for all inputs, ẏ = J·ẋ, and ġ_x is d/dε of ∇_x⟨f(x), g⟩ along the tangents of x and g.
import * as torch from "../index.js";
import { isTwiceDifferentiable } from "./choose.js";
import type { BackwardState, ForwardState, Rule } from "./rule.js";

/**
 * Runs a part of a forward pass without keeping its intermediate results (see `torch.checkpoint`). If the pass will be differentiated
 * twice, they are kept, since a recomputed part has no second derivative.
 */
export function checkpoint<T extends torch.Tensor | readonly torch.Tensor[]>(body: () => T): T {
  return isTwiceDifferentiable() ? body() : torch.checkpoint(body);
}

export const checkpointRule: Rule = {
  isCheap: false,
  keptGradients: ({ call }) => call.inputs,
  readsForward: ({ call }) => ({ values: call.inputs }),
  readsBackward: ({ call, moves }) => ({ values: call.inputs, tangents: call.inputs.filter(moves) }),
  tangents(state) {
    const { inputs, of, run } = leavesOf(state, () => false);
    const moving = inputs.filter((id) => state.tangent(id));
    return state.nested.tangents(run, of(moving), tangentsOf(state, moving));
  },
  backward(state) {
    const { inputs, of, run } = leavesOf(state, state.wantsChange);
    const moving = inputs.filter((id) => state.tangent(id));
    const wanted = inputs.filter(state.wantsChange);
    if (wanted.length === 0) return;
    const ends = endsOf(state);
    const inner = () => {
      const outputs = run();
      const products = ends.map(({ result, gradient }) => torch.sum(torch.mul(outputs[result]!, gradient)));
      return products.reduce((sum, product) => torch.add(sum, product));
    };
    const motion = ends.filter(({ change }) => change);
    const found = state.nested.gradientsAlong(inner, {
      moving: [...of(moving), ...motion.map(({ gradient }) => gradient)],
      along: [...tangentsOf(state, moving), ...motion.map(({ change }) => change!)],
      wanted: of(wanted),
    });
    for (const [i, id] of wanted.entries()) state.addChange(id, found[i]!);
  },
};

const tangentsOf = (state: ForwardState, moving: readonly torch.TensorId[]) => moving.map((id) => state.tangent(id)!);

/** The distinct inputs as new leaves. An input requires a gradient if it has a tangent or is wanted. */
function leavesOf(state: ForwardState, isWanted: (id: torch.TensorId) => boolean) {
  const inputs = [...new Set(state.call.inputs)];
  const leaves = new Map(
    inputs.map((id) => {
      const value = state.value(id);
      const isLeaf = isWanted(id) || state.tangent(id) !== undefined;
      return [id, isLeaf ? torch.detach(value).setRequiresGrad(true) : value] as const;
    }),
  );
  const of = (chosen: readonly torch.TensorId[]) => chosen.map((id) => leaves.get(id)!);
  return { inputs, of, run: () => state.replay(of(state.call.inputs)) };
}

/** The results with a gradient or a tangent of it; a zero gradient with a tangent becomes a tensor of zeros. */
function endsOf(state: BackwardState) {
  return state.call.results.flatMap((_, result) => {
    const [given, change] = [state.gradient(result), state.change(result)];
    const gradient = given ? torch.detach(given) : change && torch.zerosLike(change);
    if (!gradient) return [];
    return [{ result, gradient: change ? gradient.setRequiresGrad(true) : gradient, change }];
  });
}

// A part of the pass that was not kept: it is recorded anew when a walk comes to it. With y = f(x) for all that goes in, ẏ = J·ẋ,
// and ġ_x is d/dε of ∇_x⟨f(x), g⟩ with x and g in motion.
import * as torch from "../../torch/index.js";
import type { BackwardState, ForwardState, Rule } from "../rule.js";

export const checkpoint: Rule = {
  isCheap: false,
  keptGradients: ({ call }) => call.inputs,
  readsForward: ({ call }) => ({ values: call.inputs }),
  readsBackward: ({ call, moves }) => ({ values: call.inputs, tangents: call.inputs.filter(moves) }),
  tangents(state) {
    const { inputs, of, run } = leavesOf(state, () => false);
    const moving = inputs.filter((place) => state.tangent(place));
    return state.nested.tangents(run, of(moving), tangentsOf(state, moving));
  },
  backward(state) {
    const { inputs, of, run } = leavesOf(state, state.wantsChange);
    const moving = inputs.filter((place) => state.tangent(place));
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
    for (const [i, place] of wanted.entries()) state.addChange(place, found[i]!);
  },
};

const tangentsOf = (state: ForwardState, moving: readonly torch.Place[]) =>
  moving.map((place) => state.tangent(place)!);

/** The inputs, each once, as new leaves: what moves and what is wanted requires a gradient. */
function leavesOf(state: ForwardState, isWanted: (place: torch.Place) => boolean) {
  const inputs = [...new Set(state.call.inputs)];
  const leaves = new Map(
    inputs.map((place) => {
      const value = state.value(place);
      const isLeaf = isWanted(place) || state.tangent(place) !== undefined;
      return [place, isLeaf ? torch.detach(value).setRequiresGrad(true) : value] as const;
    }),
  );
  const of = (places: readonly torch.Place[]) => places.map((place) => leaves.get(place)!);
  return { inputs, of, run: () => state.replay(of(state.call.inputs)) };
}

/** What comes to each result; a gradient that is zero but moves is there as zeros. */
function endsOf(state: BackwardState) {
  return state.call.results.flatMap((_, result) => {
    const [given, change] = [state.gradient(result), state.change(result)];
    const gradient = given ? torch.detach(given) : change && torch.zerosLike(change);
    if (!gradient) return [];
    return [{ result, gradient: change ? gradient.setRequiresGrad(true) : gradient, change }];
  });
}

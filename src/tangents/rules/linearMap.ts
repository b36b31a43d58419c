// Operators that are linear in all that a gradient flows through: the tangent goes through them as the value does.
import * as torch from "../../torch/index.js";
import type { BackwardState, CallFacts, ForwardState, Rule } from "../rule.js";

/** Reshapes, picks, casts and sums. */
export const LINEAR_MAPS: readonly string[] = [
  "aten::view",
  "aten::reshape",
  "aten::flatten.using_ints",
  "aten::transpose.int",
  "aten::t",
  "aten::contiguous",
  "aten::expand",
  "aten::unsqueeze",
  "aten::squeeze.dim",
  "aten::cat",
  "aten::stack",
  "aten::narrow",
  "aten::select.int",
  "aten::index_select",
  "aten::gather",
  "aten::repeat_interleave.self_int",
  "aten::diagonal",
  "aten::roll",
  "aten::clone",
  "aten::alias",
  "aten::to.dtype",
  "aten::neg",
  "aten::add.Tensor",
  "aten::sub.Tensor",
  "aten::mul.Scalar",
  "aten::div.Scalar",
  "aten::sum",
  "aten::sum.dim_IntList",
  "aten::mean",
  "aten::mean.dim",
  "aten::cumsum",
  "bidora::dropout",
];

export const linearMap: Rule = {
  isCheap: true,
  keptGradients: () => [],
  readsForward: (facts) => ({ values: unmoved(facts) }),
  readsBackward: (facts) => ({
    values: unmoved(facts),
    tangents: facts.call.inputs.filter((place) => facts.moves(place)),
  }),
  tangents: (state) => state.replay(state.call.inputs.map((place) => state.tangent(place) ?? zeroed(state, place))),
  backward(state) {
    torch.enableGrad(() => {
      // The result is linear, so what is at the leaves has no say.
      const leaves = new Map(
        state.call.inputs.map((place) => [place, torch.detach(state.tangent(place) ?? state.value(place))]),
      );
      const wanted = [...leaves.keys()].filter((place) => state.wantsChange(place) || state.wantsGradient(place));
      for (const place of wanted) leaves.get(place)?.setRequiresGrad(true);
      const [result] = state.replay(state.call.inputs.map((place) => leaves.get(place) as torch.Tensor));
      const through = (given: torch.Tensor | undefined, at: torch.Place[], add: BackwardState["addChange"]) => {
        if (!given || at.length === 0) return;
        const inputs = at.map((place) => leaves.get(place) as torch.Tensor);
        const found = torch.grad([result as torch.Tensor], inputs, { gradOutputs: [given], retainGraph: true });
        for (const [i, place] of at.entries()) add(place, found[i] as torch.Tensor);
      };
      through(state.change(0), wanted.filter(state.wantsChange), state.addChange);
      through(state.gradient(0), wanted.filter(state.wantsGradient), state.addGradient);
    });
  },
};

function unmoved({ call, moves }: CallFacts): torch.Place[] {
  return call.inputs.filter((place) => !moves(place));
}

/** Zero in the place of what does not move; what is no number, such as an index, stays. */
function zeroed(state: ForwardState, place: torch.Place): torch.Tensor {
  const value = state.value(place);
  const isNumber = value.dtype.startsWith("float") || value.dtype === "bfloat16";
  return isNumber ? torch.zerosLike(value) : value;
}

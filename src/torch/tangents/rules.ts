// The tangent rules of all operators. Those of libtorch's operators are defined here, those of bidora's operators in src/torch/operators.

import * as calls from "../generated/recordedCalls.js";
import * as torch from "../index.js";
import { geluMulRule, geluRule, siluMulRule, torchGeluRule } from "../operators/activation.js";
import { attentionRule } from "../operators/attention/attention.js";
import { efficientAttentionRule, flashAttentionRule } from "../operators/attention/fusedAttention.js";
import { rotaryRule } from "../operators/attention/rotary.js";
import { checkpointRule } from "../operators/checkpoint.js";
import { byFormula, genericRule } from "../operators/formulaRule.js";
import { directionGainRule, directionNormRule } from "../operators/linear/directionNorm.js";
import { linearRule, torchLinearRule } from "../operators/linear/linear.js";
import { linearCrossEntropyRule } from "../operators/linear/linearCrossEntropy.js";
import { lowRankLinearRule } from "../operators/linear/lowRankLinear.js";
import { dropoutAddNormRule, rowNormRule } from "../operators/norms.js";
import type { BackwardState, CallFacts, ForwardState, Rule } from "../operators/rule.js";

/** Operators that are linear in every differentiable input: reshapes, indexing, casts and sums. */
const LINEAR_MAPS: readonly string[] = [
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

const linearMapRule: Rule = {
  isCheap: true,
  keptGradients: () => [],
  readsForward: (facts) => ({ values: unmoved(facts) }),
  readsBackward: (facts) => ({
    values: unmoved(facts),
    shapes: facts.call.inputs.filter((id) => facts.moves(id)),
  }),
  tangents: (state) => state.replay(state.call.inputs.map((id) => state.tangent(id) ?? zeroed(state, id))),
  backward(state) {
    torch.enableGrad(() => {
      // the operator is linear, so the leaves' values do not matter
      const leaves = new Map(state.call.inputs.map((id) => [id, state.zeros(id) ?? torch.detach(state.value(id))]));
      const wanted = [...leaves.keys()].filter((id) => state.wantsChange(id) || state.wantsGradient(id));
      for (const id of wanted) leaves.get(id)?.setRequiresGrad(true);
      const [result] = state.replay(state.call.inputs.map((id) => leaves.get(id)!));
      const through = (given: torch.Tensor | undefined, at: torch.TensorId[], add: BackwardState["addChange"]) => {
        if (!given || at.length === 0) return;
        const inputs = at.map((id) => leaves.get(id)!);
        const found = torch.grad([result!], inputs, { gradOutputs: [given], retainGraph: true });
        for (const [i, id] of at.entries()) add(id, found[i]!);
      };
      through(state.change(0), wanted.filter(state.wantsChange), state.addChange);
      through(state.gradient(0), wanted.filter(state.wantsGradient), state.addGradient);
    });
  },
};

function unmoved({ call, moves }: CallFacts): torch.TensorId[] {
  return call.inputs.filter((id) => !moves(id));
}

/** Zeros for an input without a tangent; an input that is not floating-point, such as an index, is kept. */
function zeroed(state: ForwardState, id: torch.TensorId): torch.Tensor {
  const value = state.value(id);
  const isNumber = value.dtype.startsWith("float") || value.dtype === "bfloat16";
  return isNumber ? torch.zerosLike(value) : value;
}

const replayed = byFormula((state, inputs) => state.replay(inputs), { isCheap: true });

/** y = m / n of the same shape: ẏ = (ṁ − y·ṅ) / n; ġ_m = (ġ − g·ṅ/n) / n. */
const divRule: Rule = {
  ...replayed,
  tangents(state) {
    const { self: m, other: n } = calls.divCall(state.call);
    const [mDot, nDot, divisor] = [state.tangent(m), state.tangent(n), state.value(n)];
    if (!torch.sameShape(state.value(m).shape, divisor.shape)) return replayed.tangents(state);
    if (!nDot) return [torch.div(mDot!, divisor)];
    const lost = torch.mul(torch.div(state.value(m), divisor), nDot);
    return [torch.div(mDot ? torch.sub(mDot, lost) : torch.neg(lost), divisor)];
  },
  backward(state) {
    const { self: m, other: n } = calls.divCall(state.call);
    const divisor = state.value(n);
    if (state.wantsChange(n) || !torch.sameShape(state.value(m).shape, divisor.shape)) return replayed.backward(state);
    const [gradient, change, nDot] = [state.gradient(0), state.change(0), state.tangent(n)];
    if (change) state.addChange(m, torch.div(change, divisor));
    if (!gradient) return;
    const plain = torch.div(gradient, divisor);
    if (nDot) state.addChange(m, torch.neg(torch.div(torch.mul(plain, nDot), divisor)));
    if (state.wantsGradient(m)) state.addGradient(m, plain);
  },
};

/** The filled elements are constant, so no gradient flows through them. */
const maskedFillRule: Rule = {
  ...replayed,
  tangents(state) {
    const { self: x, mask } = calls.maskedFillCall(state.call);
    const [tangent, hidden] = [state.tangent(x)!, state.value(mask)];
    return torch.sameShape(tangent.shape, hidden.shape)
      ? [torch.maskedFill(tangent, hidden, 0)]
      : replayed.tangents(state);
  },
};

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...LINEAR_MAPS.map((name) => [name, linearMapRule] as const),
  ["aten::_efficient_attention_forward", efficientAttentionRule],
  ["aten::_flash_attention_forward", flashAttentionRule],
  ["aten::linear", torchLinearRule],
  ["aten::div.Tensor", divRule],
  ["aten::gelu", torchGeluRule],
  ["aten::masked_fill.Scalar", maskedFillRule],
  ["bidora::attention", attentionRule],
  ["bidora::direction_gain", directionGainRule],
  ["bidora::direction_norm", directionNormRule],
  ["bidora::dropout_add_norm", dropoutAddNormRule],
  ["bidora::gelu", geluRule],
  ["bidora::gelu_mul", geluMulRule],
  ["bidora::linear", linearRule],
  ["bidora::linear_cross_entropy", linearCrossEntropyRule],
  ["bidora::low_rank_linear", lowRankLinearRule],
  ["bidora::rotary", rotaryRule],
  ["bidora::row_norm", rowNormRule],
  ["bidora::silu_mul", siluMulRule],
  ["checkpoint", checkpointRule],
]);

/** An operator's own rule, or else automatic differentiation. */
export function ruleOf(operator: string): Rule {
  return RULES.get(operator) ?? genericRule;
}

// GELU and SiLU, alone and gated: y = f(x), y = f(gate) ∘ up. Tangents: ẏ = f'(x)·ẋ and ġ_x = f''(x)·ẋ·g + f'(x)·ġ. For the gated
// forms, ẏ = f'(gate)∘ġate∘up + f(gate)∘u̇p, and the gradients' tangents follow from the product rule.
import * as calls from "../generated/recordedCalls.js";
import * as torch from "../index.js";
import { usesKernel } from "./choose.js";
import { byFormula } from "./formulaRule.js";
import { addFound, type BackwardState, type ForwardState, type Rule } from "./rule.js";

/** GELU's formula: exact, or the tanh approximation. */
type Approximate = "none" | "tanh";

/** If the kernel's gradient is differentiated again, it uses libtorch's own formulas; so do the other three. */
export function gelu(x: torch.Tensor, approximate: Approximate = "none"): torch.Tensor {
  return usesKernel(x) ? torch.fusedGelu(x, { approximate }) : torch.gelu(x, { approximate });
}

export function silu(x: torch.Tensor): torch.Tensor {
  return usesKernel(x) ? torch.fusedSilu(x) : torch.silu(x);
}

/** GELU(gate) ∘ up, both [N, I] */
export function geluMul(gate: torch.Tensor, up: torch.Tensor, approximate: Approximate = "none"): torch.Tensor {
  if (usesKernel(gate)) return torch.geluMul(gate, up, { approximate });
  return torch.mul(torch.gelu(gate, { approximate }), up);
}

/** SiLU(gate) ∘ up, both [N, I] */
export function siluMul(gate: torch.Tensor, up: torch.Tensor): torch.Tensor {
  return usesKernel(gate) ? torch.siluMul(gate, up) : torch.mul(torch.silu(gate), up);
}

const formula = byFormula((state, inputs) => state.replay(inputs), { isCheap: true });

/** @param read reads the call's arguments */
const geluRuleBy = (read: (call: torch.TapeCall) => ReturnType<typeof calls.geluCall>): Rule => ({
  ...formula,
  tangents(state) {
    const { self: x, approximate } = read(state.call);
    const [value, tangent] = [state.value(x), state.tangent(x)!];
    return usesKernel(value) ? [torch.geluTangent(value, tangent, { approximate })] : formula.tangents(state);
  },
  backward(state) {
    const { self: x, approximate } = read(state.call);
    const [value, tangent, gradient] = [state.value(x), state.tangent(x), state.gradient(0)];
    if (!tangent || !gradient || !usesKernel(value)) return formula.backward(state);
    const change = state.change(0) ?? null;
    const found = torch.geluTangentBackward(value, tangent, gradient, change, { approximate });
    addFound(state, [x], found);
  },
});

/** libtorch's own GELU. */
export const torchGeluRule: Rule = geluRuleBy(calls.geluCall);

export const geluRule: Rule = geluRuleBy((call) => {
  const { input: self, ...rest } = calls.fusedGeluCall(call);
  return { self, ...rest };
});

export const siluMulRule: Rule = gatedRule((call) => ({ ...calls.siluMulCall(call), activation: "silu" }));

export const geluMulRule: Rule = gatedRule((call) => {
  const { approximate, ...rest } = calls.geluMulCall(call);
  return { ...rest, activation: approximate === "tanh" ? "gelu_tanh" : "gelu" };
});

interface GatedCall {
  readonly gate: torch.TensorId;
  readonly up: torch.TensorId;
  readonly activation: string;
}

function gatedRule(read: (call: torch.TapeCall) => GatedCall): Rule {
  return {
    ...formula,
    tangents(state) {
      const { values, tangents, activation } = gatedOperands(state, read(state.call));
      return [torch.gatedTangent(...values, ...tangents, { activation })];
    },
    backward(state) {
      const gradient = state.gradient(0);
      if (gradient) gatedBackward(state, read(state.call), gradient);
      else formula.backward(state);
    },
  };
}

function gatedBackward(state: BackwardState, call: GatedCall, gradient: torch.Tensor): void {
  const { values, tangents, activation } = gatedOperands(state, call);
  const changes = [gradient, state.change(0) ?? null] as const;
  const found = torch.gatedTangentBackward(...values, ...tangents, ...changes, { activation });
  addFound(state, [call.gate, call.up], found);
}

function gatedOperands(state: ForwardState, { gate, up, activation }: GatedCall) {
  return {
    values: [state.value(gate), state.value(up)] as const,
    tangents: [state.tangent(gate) ?? null, state.tangent(up) ?? null] as const,
    activation,
  };
}

// The tangent rule of any operator with a formula: automatic differentiation, applied twice.
import * as torch from "../index.js";
import { type BackwardState, type CallFacts, type ForwardState, NoTangent, type Rule } from "./rule.js";

type Formula = (state: ForwardState, inputs: readonly torch.Tensor[]) => readonly torch.Tensor[];

/**
 * A rule from a twice differentiable formula: with z = Jᵀ·w for any w, ẏ = ∂⟨z, ẋ⟩/∂w, and
 * ġ_x = ∇_x⟨Jᵀ(x)·g, ẋ⟩ + Jᵀ·ġ.
 */
export function byFormula(formula: Formula, options: { readonly isCheap?: boolean } = {}): Rule {
  return {
    isCheap: options.isCheap ?? false,
    keptGradients: () => [],
    readsForward: inputsOf,
    readsBackward: (facts) => ({
      ...inputsOf(facts),
      tangents: [...new Set(ownInputs(facts))].filter((id) => facts.moves(id)),
    }),
    tangents: (state) => guarded(state, () => tangents(formula, state)),
    backward: (state) => guarded(state, () => backward(formula, state)),
  };
}

/**
 * The rule of operators without a rule of their own: it repeats the call. An in-place call cannot be repeated, since its argument has
 * changed.
 */
export const genericRule: Rule = byFormula((state, inputs) => {
  if (state.call.writes) throw new NoTangent(state.call.operator);
  return state.replay(inputs);
});

/** The inputs that the operator did not write to. */
function ownInputs({ call }: Pick<CallFacts, "call">): torch.TensorId[] {
  return call.inputs.filter((id) => !call.results.includes(id));
}

function inputsOf(facts: CallFacts): { readonly values: readonly torch.TensorId[] } {
  return { values: ownInputs(facts) };
}

/** New leaves for the inputs, by id. */
function leavesOf(state: ForwardState, differentiable: (id: torch.TensorId) => boolean) {
  const leaves = new Map<torch.TensorId, torch.Tensor>();
  for (const id of ownInputs(state)) {
    const leaf = torch.detach(state.value(id));
    leaves.set(id, differentiable(id) ? leaf.setRequiresGrad(true) : leaf);
  }
  const of = (chosen: readonly torch.TensorId[]) => chosen.map((id) => leaves.get(id)!);
  const all = state.call.inputs.map((id) => leaves.get(id) ?? state.value(id));
  return { leaves, of, all };
}

function tangents(formula: Formula, state: ForwardState): (torch.Tensor | undefined)[] {
  const { leaves, of, all } = leavesOf(state, (id) => state.tangent(id) !== undefined);
  const moving = [...leaves.keys()].filter((id) => state.tangent(id));
  return torch.enableGrad(() => {
    const results = formula(state, all);
    const outputs = results.filter((result) => result.requiresGrad);
    if (outputs.length === 0) return results.map(() => undefined);
    const weights = outputs.map((output) => torch.zerosLike(torch.detach(output)).setRequiresGrad(true));
    const products = torch.grad(outputs, of(moving), { gradOutputs: weights, createGraph: true, allowUnused: true });
    const changes = inner(products, moving, state, weights, false);
    return results.map((result) => changes[outputs.indexOf(result)]);
  });
}

/** ∇_x Σ⟨product, ẋ⟩ for each x of `inputs`. */
function inner(
  products: readonly (torch.Tensor | undefined)[],
  moving: readonly torch.TensorId[],
  state: ForwardState,
  inputs: readonly torch.Tensor[],
  retainGraph: boolean,
): (torch.Tensor | undefined)[] {
  const pairs = products
    .map((product, i) => [product, state.tangent(moving[i]!)] as const)
    .filter((pair): pair is [torch.Tensor, torch.Tensor] => pair[0]?.requiresGrad === true);
  if (pairs.length === 0) return inputs.map(() => undefined);
  return torch.grad(
    pairs.map(([product]) => product),
    inputs,
    { gradOutputs: pairs.map(([, tangent]) => tangent), retainGraph, allowUnused: true },
  );
}

function backward(formula: Formula, state: BackwardState): void {
  const isWanted = (id: torch.TensorId) => state.wantsChange(id) || state.wantsGradient(id);
  const { leaves, of, all } = leavesOf(state, (id) => isWanted(id) || state.tangent(id) !== undefined);
  const moving = [...leaves.keys()].filter((id) => state.tangent(id));
  const wanted = [...leaves.keys()].filter(isWanted);
  torch.enableGrad(() => {
    const results = formula(state, all);
    const plain = weighted(results, (i) => state.gradient(i));
    const changed = weighted(results, (i) => state.change(i));
    const inputs = of(wanted);
    const options = { retainGraph: true, allowUnused: true };
    if (plain.outputs.length > 0 && moving.length > 0) {
      const products = torch.grad(plain.outputs, of(moving), { ...options, ...plain, createGraph: true });
      put(inner(products, moving, state, inputs, true), wanted, state.wantsChange, state.addChange);
    }
    if (changed.outputs.length > 0)
      put(torch.grad(changed.outputs, inputs, { ...options, ...changed }), wanted, state.wantsChange, state.addChange);
    const ofGradient = wanted.filter(state.wantsGradient);
    if (plain.outputs.length > 0 && ofGradient.length > 0)
      put(
        torch.grad(plain.outputs, of(ofGradient), { ...options, ...plain }),
        ofGradient,
        state.wantsGradient,
        state.addGradient,
      );
  });
}

function weighted(results: readonly torch.Tensor[], weight: (result: number) => torch.Tensor | undefined) {
  const indices = [...results.keys()].filter((i) => results[i]?.requiresGrad && weight(i));
  return {
    outputs: indices.map((i) => results[i]!),
    gradOutputs: indices.map((i) => weight(i)!),
  };
}

function put(
  found: readonly (torch.Tensor | undefined)[],
  at: readonly torch.TensorId[],
  isWanted: (id: torch.TensorId) => boolean,
  add: (id: torch.TensorId, tensor: torch.Tensor) => void,
): void {
  for (const [i, id] of at.entries()) {
    const tensor = found[i];
    if (tensor && isWanted(id)) add(id, tensor);
  }
}

/** Matches the errors of libtorch's and our operators for a missing second derivative. */
const MISSING = /no second derivative|not implemented|not differentiable|does not require grad|no derivative/i;

function guarded<T>(state: ForwardState, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof torch.TorchError && MISSING.test(error.message)) throw new NoTangent(state.call.operator);
    throw error;
  }
}

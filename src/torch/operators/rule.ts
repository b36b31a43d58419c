// Tangent rules (forward over reverse). A value x has a derivative ẋ along a direction u, and a gradient g has a derivative ġ. Trained
// tensors move by εu; all derivatives are with respect to ε, at 0.
import * as torch from "../index.js";

type Tensor = torch.Tensor;
type TensorId = torch.TensorId;

/** Nested recorded passes, for rules that need them. */
export interface Nested {
  /** The tangents of the results of `body`, given those of `moving`; undefined for zero. */
  tangents(
    body: () => readonly Tensor[],
    moving: readonly Tensor[],
    along: readonly Tensor[],
  ): readonly (Tensor | undefined)[];
  /** d/dε of the gradients of the scalar that `body` returns. */
  gradientsAlong(
    body: () => Tensor,
    given: {
      readonly moving: readonly Tensor[];
      readonly along: readonly Tensor[];
      readonly wanted: readonly Tensor[];
    },
  ): readonly Tensor[];
}

/** A call as its rule sees it in the forward walk. */
export interface ForwardState {
  readonly call: torch.TapeCall;
  value(id: TensorId): Tensor;
  /** ẋ; undefined for zero. */
  tangent(id: TensorId): Tensor | undefined;
  /** Repeats the call with other inputs. */
  replay(inputs: readonly Tensor[]): Tensor[];
  readonly nested: Nested;
}

/** A call as its rule sees it in the backward walk, and the methods that take the rule's results. */
export interface BackwardState extends ForwardState {
  /** g of a result, by its index; undefined for zero. */
  gradient(result: number): Tensor | undefined;
  /** ġ of a result; undefined for zero. */
  change(result: number): Tensor | undefined;
  /** Zeros of the shape of a tensor, if the rule reads that. */
  zeros(id: TensorId): Tensor | undefined;
  /** Whether g of an input is needed: another rule reads it, and it was not kept from the backward pass. */
  wantsGradient(id: TensorId): boolean;
  /** Whether ġ of an input is needed. */
  wantsChange(id: TensorId): boolean;
  /** Adds a fresh tensor to g. */
  addGradient(id: TensorId, gradient: Tensor): void;
  /** Adds a fresh tensor to ġ. */
  addChange(id: TensorId, change: Tensor): void;
}

/** The tensors whose values a walk reads, and in the backward walk also those whose tangents, or shapes alone, it reads. */
export interface TensorReads {
  readonly values?: readonly TensorId[];
  readonly tangents?: readonly TensorId[];
  readonly shapes?: readonly TensorId[];
}

/** Facts about a call that do not depend on values: which tensors move along u, and which derivatives are wanted. */
export interface CallFacts {
  readonly call: torch.TapeCall;
  moves(id: TensorId | undefined): boolean;
  wants(id: TensorId | undefined): boolean;
  /** The tensor's value after the pass. Must not be called after pruning. */
  peek(id: TensorId): Tensor;
}

/** How an operator propagates tangents. */
export interface Rule {
  /** Whether its results are cheap, so that they are recomputed instead of kept. */
  readonly isCheap: boolean;
  /** The inputs that derivatives flow through; by default, all that the call did not write to. */
  through?(call: torch.TapeCall): readonly TensorId[];
  /** Inputs whose gradients are expensive, so that they are kept from the backward pass. */
  keptGradients(facts: CallFacts): readonly TensorId[];
  readsForward(facts: CallFacts): TensorReads;
  readsBackward(facts: CallFacts): TensorReads;
  /** The tangents of the results, as fresh tensors; undefined for zero. */
  tangents(state: ForwardState): readonly (Tensor | undefined)[];
  /** Adds g and ġ of the inputs for which they are wanted. */
  backward(state: BackwardState): void;
}

/** Thrown for an operator that has neither a rule nor a second derivative. */
export class NoTangent extends Error {
  constructor(readonly operator: string) {
    super(`${operator} has neither a tangent nor a second derivative`);
  }
}

/** The ids that are defined. */
export function ids(...given: readonly (TensorId | undefined)[]): TensorId[] {
  return given.filter((id) => id !== undefined);
}

/** Adds what a kernel found for inputs, where it is wanted. @param found ġ of each input, then g of each */
export function addFound(state: BackwardState, inputs: readonly TensorId[], found: readonly Tensor[]): void {
  for (const [i, id] of inputs.entries()) {
    if (state.wantsChange(id)) state.addChange(id, found[i]!);
    if (state.wantsGradient(id)) state.addGradient(id, found[inputs.length + i]!);
  }
}

/** Adds g and ġ of the only input of a linear operator whose transpose is `map`. */
export function backwardThrough(state: BackwardState, input: TensorId, map: (gradient: Tensor) => Tensor): void {
  const [gradient, change] = [state.gradient(0), state.change(0)];
  if (change && state.wantsChange(input)) state.addChange(input, map(change));
  if (gradient && state.wantsGradient(input)) state.addGradient(input, map(gradient));
}

/** The smallest |x| in a tensor; infinity if it is empty. */
export function smallestAbs(x: Tensor): number {
  if (x.numel === 0) return Number.POSITIVE_INFINITY;
  return torch.noGrad(() => torch.scope(() => torch.min(torch.abs(x)).item()));
}

// Tangent rules: forward over reverse. Beside a value x there is its derivative ẋ along a direction u, beside a gradient g its derivative
// ġ. Trained tensors move by εu; every derivative is the one by ε at 0.
import * as torch from "../torch/index.js";

type Tensor = torch.Tensor;
type TensorId = torch.TensorId;

/** Recorded passes within a call, for rules that need them. */
export interface Nested {
  /** Tangents of the results of `body`, from those of `moving`; undefined for zero. */
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

/** What a rule reads of its call in the forward walk. */
export interface ForwardState {
  readonly call: torch.TapeCall;
  value(id: TensorId): Tensor;
  /** ẋ; undefined for zero. */
  tangent(id: TensorId): Tensor | undefined;
  /** Makes the call again with other inputs. */
  replay(inputs: readonly Tensor[]): Tensor[];
  readonly nested: Nested;
}

/** What a rule reads of its call in the backward walk, and where it puts its results. */
export interface BackwardState extends ForwardState {
  /** g of a result, by its number; undefined for zero. */
  gradient(result: number): Tensor | undefined;
  /** ġ of a result; undefined for zero. */
  change(result: number): Tensor | undefined;
  /** Whether g of an input is needed: a further rule reads it, and the backward pass kept none. */
  wantsGradient(id: TensorId): boolean;
  /** Whether ġ of an input is needed. */
  wantsChange(id: TensorId): boolean;
  /** Adds to g, a fresh tensor. */
  addGradient(id: TensorId, gradient: Tensor): void;
  /** Adds to ġ, a fresh tensor. */
  addChange(id: TensorId, change: Tensor): void;
}

/** What a walk reads of a call's tensors: values, and in the backward walk tangents. */
export interface Reads {
  readonly values?: readonly TensorId[];
  readonly tangents?: readonly TensorId[];
}

/** What is known of a call before any number is: which tensors move along u, and of which derivatives are wanted. */
export interface CallFacts {
  readonly call: torch.TapeCall;
  moves(id: TensorId | undefined): boolean;
  wants(id: TensorId | undefined): boolean;
  /** The value as the pass left it. Not after pruning. */
  peek(id: TensorId): Tensor;
}

/** How one operator carries tangents. */
export interface Rule {
  /** Its results cost little: they are not kept, but computed again. */
  readonly isCheap: boolean;
  /** The inputs that derivatives flow through: unless given, all that the call did not write to. */
  through?(call: torch.TapeCall): readonly TensorId[];
  /** Inputs whose gradients cost a product, so that they are kept from the backward pass. */
  keptGradients(facts: CallFacts): readonly TensorId[];
  readsForward(facts: CallFacts): Reads;
  readsBackward(facts: CallFacts): Reads;
  /** Tangents of the results; undefined for zero. Fresh tensors. */
  tangents(state: ForwardState): readonly (Tensor | undefined)[];
  /** Adds g and ġ of the inputs of which they are wanted. */
  backward(state: BackwardState): void;
}

/** An operator has neither a rule nor a second derivative. */
export class NoTangent extends Error {
  constructor(readonly operator: string) {
    super(`${operator} has neither a tangent nor a second derivative`);
  }
}

/** Those that are tensors. */
export function ids(...given: readonly (TensorId | undefined)[]): TensorId[] {
  return given.filter((id) => id !== undefined);
}

/** Adds g and ġ of the one input of a linear operator whose transpose is `map`. */
export function backwardThrough(state: BackwardState, input: TensorId, map: (gradient: Tensor) => Tensor): void {
  const [gradient, change] = [state.gradient(0), state.change(0)];
  if (change && state.wantsChange(input)) state.addChange(input, map(change));
  if (gradient && state.wantsGradient(input)) state.addGradient(input, map(gradient));
}

/** The smallest |x| of a tensor; infinite where it has no element. */
export function smallestSize(x: Tensor): number {
  if (x.numel === 0) return Number.POSITIVE_INFINITY;
  return torch.noGrad(() => torch.scope(() => torch.min(torch.abs(x)).item()));
}

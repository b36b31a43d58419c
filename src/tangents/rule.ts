// Forward over reverse: beside a value x its derivative ẋ along a direction u, beside a gradient g its derivative ġ. With u the
// derivative by ε of what the trained tensors are, all of them are derivatives by ε at 0.
import type { Place, TapeArgument, TapeCall, Tensor } from "../torch/index.js";

/** What a rule asks of a pass within its call, which it records. */
export interface Nested {
  /** Tangents of what `body` gives, from those of `moving`; undefined for zero. */
  tangents(
    body: () => readonly Tensor[],
    moving: readonly Tensor[],
    along: readonly Tensor[],
  ): readonly (Tensor | undefined)[];
  /** d/dε of the gradients of the scalar that `body` gives. */
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
  readonly call: TapeCall;
  argument(index: number): TapeArgument;
  /** The place of a tensor argument; undefined for nothing. */
  place(index: number): Place | undefined;
  value(place: Place): Tensor;
  /** ẋ; undefined for zero. */
  tangent(place: Place): Tensor | undefined;
  /** Makes the call anew. */
  replay(inputs: readonly Tensor[]): Tensor[];
  readonly nested: Nested;
}

/** What a rule reads of its call in the backward walk, and where it puts what it finds. */
export interface BackwardState extends ForwardState {
  /** g of a result, by its number; undefined for zero. */
  gradient(result: number): Tensor | undefined;
  /** ġ of a result; undefined for zero. */
  change(result: number): Tensor | undefined;
  /** Whether g is asked for at a place: where a further rule reads it and none is kept. */
  wantsGradient(place: Place): boolean;
  /** Whether ġ is asked for at a place. */
  wantsChange(place: Place): boolean;
  /** Adds to g, a fresh tensor. */
  addGradient(place: Place, gradient: Tensor): void;
  /** Adds to ġ, a fresh tensor. */
  addChange(place: Place, change: Tensor): void;
}

/** What is read of places: values, and in the backward walk tangents. */
export interface Reads {
  readonly values?: readonly Place[];
  readonly tangents?: readonly Place[];
}

/** What is known of a call before any number is: which tensors move along u, and where derivatives are wanted. */
export interface CallFacts {
  readonly call: TapeCall;
  moves(place: Place | undefined): boolean;
  wants(place: Place | undefined): boolean;
  /** The value as the pass left it. Not after pruning. */
  peek(place: Place): Tensor;
}

/** How one operator carries tangents. */
export interface Rule {
  /** Its results cost little: they are not kept, but computed anew. */
  readonly isCheap: boolean;
  /** The inputs that derivatives come through: all that the call did not write to, unless given. */
  through?(call: TapeCall): readonly Place[];
  /** Inputs whose gradients cost a product, so that they are kept from the backward pass. */
  keptGradients(facts: CallFacts): readonly Place[];
  readsForward(facts: CallFacts): Reads;
  readsBackward(facts: CallFacts): Reads;
  /** Tangents of the results; undefined for zero. Fresh tensors. */
  tangents(state: ForwardState): readonly (Tensor | undefined)[];
  /** Puts g and ġ of the inputs that they are asked for. */
  backward(state: BackwardState): void;
}

/** An operator has neither a rule nor a second derivative. */
export class NoTangent extends Error {
  constructor(readonly operator: string) {
    super(`${operator} has neither a tangent nor a second derivative`);
  }
}

/** The place of a tensor argument, undefined for none. */
export function placeAt({ arguments: given }: TapeCall, index: number): Place | undefined {
  const argument = given[index];
  return typeof argument === "object" && argument !== null && "place" in argument ? argument.place : undefined;
}

/** Those that are places. */
export function places(...given: readonly (Place | undefined)[]): Place[] {
  return given.filter((place) => place !== undefined);
}

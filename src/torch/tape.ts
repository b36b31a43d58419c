import { type Handle, native } from "./native.js";
import { Tensor } from "./tensor.js";

/** A tensor's place in a tape. */
export type Place = number;

/** What a recorded call was given: a tensor's place, a list of them, or a value. */
export type TapeArgument = { readonly place: Place } | null | number | string | boolean | readonly TapeArgument[];

/** One operator's call, as it was made. */
export interface TapeCall {
  /** Its number in the tape. */
  readonly index: number;
  readonly operator: string;
  /** As the schema has them, defaults included; null for nothing, and for what has no value in JavaScript. */
  readonly arguments: readonly TapeArgument[];
  /** The tensors among them, in their order. */
  readonly inputs: readonly Place[];
  readonly results: readonly Place[];
  /** It wrote to an argument, which holds the result since. */
  readonly writes: boolean;
}

const registry = new FinalizationRegistry<Handle>((handle) => native.releaseOne(handle));

/**
 * The calls of a forward pass that gradients flow through, in their order, with the tensors that they took and gave. It holds
 * these, and the graph, until it is pruned or disposed of.
 */
export class Tape {
  readonly calls: readonly TapeCall[];
  readonly #handle: Handle;
  #isDisposed = false;

  /** @internal */
  constructor({ handle, entries }: ReturnType<typeof native.stopTape>) {
    this.#handle = handle;
    registry.register(this, handle, this);
    this.calls = entries.map((entry, index) => ({ ...entry, index, inputs: placesIn(entry.arguments) }));
  }

  /** Where a tensor stands; undefined for one that no recorded call knows. Not after pruning. */
  find(tensor: Tensor): Place | undefined {
    const place = native.tapePlace(this.#handle, tensor.handle);
    return place < 0 ? undefined : place;
  }

  /** The tensor itself, or undefined where pruning let go of it. */
  tensor(place: Place): Tensor | undefined {
    const handle = native.tapeTensor(this.#handle, place);
    return handle === null ? undefined : new Tensor(handle);
  }

  /**
   * Lets go of all tensors but those `kept`, which are detached from then on, and of the graph, of which it remembers where
   * gradients come to what is `watched`.
   */
  prune(kept: Iterable<Place>, watched: Iterable<Place> = []): void {
    native.pruneTape(this.#handle, [...kept], [...watched]);
  }

  /** Lets go of a few more. */
  drop(places: readonly Place[]): void {
    if (places.length > 0) native.dropFromTape(this.#handle, places);
  }

  /**
   * The gradients of a scalar with respect to `inputs`, and then to all that is watched: once, by the backward pass that any
   * gradient takes. Undefined for what it does not depend on.
   */
  gradients(loss: Tensor, inputs: readonly Tensor[]): (Tensor | undefined)[] {
    const handles = inputs.map(({ handle }) => handle);
    const found = native.tapeGradients(this.#handle, loss.handle, handles);
    return found.map((handle) => (handle === null ? undefined : new Tensor(handle)));
  }

  /** Makes a call anew with other tensors in the place of its own. */
  replay(call: TapeCall, inputs: readonly Tensor[]): Tensor[] {
    const handles = inputs.map(({ handle }) => handle);
    return native.replayTape(this.#handle, call.index, handles).map((handle) => new Tensor(handle));
  }

  /** Lets go of everything. Doing so twice is harmless. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    registry.unregister(this);
    native.releaseOne(this.#handle);
  }
}

function placesIn(values: readonly TapeArgument[]): Place[] {
  return values.flatMap((value) => {
    if (isTensor(value)) return [value.place];
    return Array.isArray(value) ? placesIn(value) : [];
  });
}

/** Whether an argument is a tensor. */
export function isTensor(argument: TapeArgument | undefined): argument is { readonly place: Place } {
  return typeof argument === "object" && argument !== null && "place" in argument;
}

/** Runs `body` and records the operator calls in it whose results a gradient flows through; those under `noGrad` are none. */
export function recordTape<T>(body: () => T): { readonly result: T; readonly tape: Tape } {
  native.startTape();
  let result: T;
  try {
    result = body();
  } catch (error) {
    native.releaseOne(native.stopTape().handle);
    throw error;
  }
  return { result, tape: new Tape(native.stopTape()) };
}

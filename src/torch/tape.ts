import { type Handle, native, type TapeArgument, type TensorId } from "./native.js";
import { Tensor } from "./tensor.js";

/** One operator's call, as it was made. */
export interface TapeCall {
  /** Its number in the tape. */
  readonly index: number;
  readonly operator: string;
  /** In the schema's order, defaults included; null for nothing, and for what has no value in JavaScript. */
  readonly arguments: readonly TapeArgument[];
  /** The tensors among them, in their order. */
  readonly inputs: readonly TensorId[];
  readonly results: readonly TensorId[];
  /** It wrote to an argument, which holds the result now. */
  readonly writes: boolean;
}

const registry = new FinalizationRegistry<Handle>((handle) => native.releaseOne(handle));

/**
 * The calls of a forward pass that gradients flow through, in their order, with their arguments and results. It holds these tensors and
 * the graph until it is pruned or disposed of.
 */
export class Tape {
  readonly calls: readonly TapeCall[];
  readonly #handle: Handle;
  #isDisposed = false;

  /** @internal */
  constructor({ handle, entries }: ReturnType<typeof native.stopTape>) {
    this.#handle = handle;
    registry.register(this, handle, this);
    this.calls = entries.map((entry, index) => ({ ...entry, index, inputs: tensorsIn(entry.arguments) }));
  }

  /** A tensor's number; undefined for one that no recorded call used. Not after pruning. */
  find(tensor: Tensor): TensorId | undefined {
    const id = native.tapePlace(this.#handle, tensor.handle);
    return id < 0 ? undefined : id;
  }

  /** The tensor itself, or undefined where pruning released it. */
  tensor(id: TensorId): Tensor | undefined {
    const handle = native.tapeTensor(this.#handle, id);
    return handle === null ? undefined : new Tensor(handle);
  }

  /**
   * Releases the graph and all tensors but those `kept`, which are detached from then on. What gives the gradients of those `watched`
   * is remembered.
   */
  prune(kept: Iterable<TensorId>, watched: Iterable<TensorId> = []): void {
    native.pruneTape(this.#handle, [...kept], [...watched]);
  }

  /** Releases further tensors. */
  drop(ids: readonly TensorId[]): void {
    if (ids.length > 0) native.dropFromTape(this.#handle, ids);
  }

  /**
   * The gradients of a scalar with respect to `inputs`, and then to all watched tensors, by one ordinary backward pass. Undefined for
   * tensors that it does not depend on.
   */
  gradients(loss: Tensor, inputs: readonly Tensor[]): (Tensor | undefined)[] {
    const handles = inputs.map(({ handle }) => handle);
    const found = native.tapeGradients(this.#handle, loss.handle, handles);
    return found.map((handle) => (handle === null ? undefined : new Tensor(handle)));
  }

  /** Makes a call again with other tensors. */
  replay(call: TapeCall, inputs: readonly Tensor[]): Tensor[] {
    const handles = inputs.map(({ handle }) => handle);
    return native.replayTape(this.#handle, call.index, handles).map((handle) => new Tensor(handle));
  }

  /** Releases everything. Doing so twice is harmless. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    registry.unregister(this);
    native.releaseOne(this.#handle);
  }
}

function tensorsIn(values: readonly TapeArgument[]): TensorId[] {
  return values.flatMap((value) => {
    if (isTensor(value)) return [value.place];
    return Array.isArray(value) ? tensorsIn(value) : [];
  });
}

/** Whether an argument is a tensor. */
export function isTensor(argument: TapeArgument | undefined): argument is { readonly place: TensorId } {
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

import type { Handle, TapeArgument, TensorId } from "./native/interface.js";
import { native } from "./native/native.js";
import { nativeObjects } from "./ownership.js";
import { handlesOf, Tensor, tensorOf } from "./tensor.js";

/** A recorded operator call. */
export interface TapeCall {
  /** Its index on the tape. */
  readonly index: number;
  readonly operator: string;
  /** The arguments in the schema's order, including defaults; null for None and for values without an equivalent in JavaScript. */
  readonly arguments: readonly TapeArgument[];
  /** The tensors among the arguments, in order. */
  readonly inputs: readonly TensorId[];
  readonly results: readonly TensorId[];
  /** Whether it wrote to an argument, which now holds the result. */
  readonly writes: boolean;
}

/**
 * The differentiable calls of a forward pass, in order, with their arguments and results. It holds their tensors and the graph until it
 * is pruned or disposed of.
 */
export class Tape {
  readonly calls: readonly TapeCall[];
  readonly #handle: Handle;
  #isDisposed = false;

  /** @internal */
  constructor({ handle, entries }: ReturnType<typeof native.stopTape>) {
    this.#handle = handle;
    nativeObjects.register(this, handle, this);
    this.calls = entries.map((entry, index) => ({ ...entry, index, inputs: idsIn(entry.arguments) }));
  }

  /** A tensor's id; undefined if no recorded call uses it. Must not be called after pruning. */
  find(tensor: Tensor): TensorId | undefined {
    const id = native.tapePlace(this.#handle, tensor.handle);
    return id < 0 ? undefined : id;
  }

  /** The tensor, or undefined if pruning released it. */
  tensor(id: TensorId): Tensor | undefined {
    return tensorOf(native.tapeTensor(this.#handle, id));
  }

  /**
   * Releases the graph and all tensors except those in `kept`, which become detached. The graph's edges to the tensors in `watched` are
   * kept, so that `gradients` can return their gradients.
   */
  prune(kept: Iterable<TensorId>, watched: Iterable<TensorId> = []): void {
    native.pruneTape(this.#handle, [...kept], [...watched]);
  }

  /** Releases more tensors. */
  drop(ids: readonly TensorId[]): void {
    if (ids.length > 0) native.dropFromTape(this.#handle, ids);
  }

  /**
   * The gradients of a scalar with respect to `inputs` and then to all watched tensors, by an ordinary backward pass. Undefined for tensors
   * that it does not depend on.
   */
  gradients(loss: Tensor, inputs: readonly Tensor[]): (Tensor | undefined)[] {
    return native.tapeGradients(this.#handle, loss.handle, handlesOf(inputs)).map(tensorOf);
  }

  /** Repeats a call with other tensors. */
  replay(call: TapeCall, inputs: readonly Tensor[]): Tensor[] {
    return native.replayTape(this.#handle, call.index, handlesOf(inputs)).map((handle) => new Tensor(handle));
  }

  /** Releases everything. May be called twice. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    nativeObjects.unregister(this);
    native.releaseOne(this.#handle);
  }
}

function idsIn(values: readonly TapeArgument[]): TensorId[] {
  return values.flatMap((value) => {
    if (isTensor(value)) return [value.place];
    return Array.isArray(value) ? idsIn(value) : [];
  });
}

/** Whether an argument is a tensor. */
export function isTensor(argument: TapeArgument | undefined): argument is { readonly place: TensorId } {
  return typeof argument === "object" && argument !== null && "place" in argument;
}

/** Runs `body` and records its differentiable operator calls, which excludes calls under `noGrad`. */
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

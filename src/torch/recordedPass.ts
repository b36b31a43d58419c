import type { Handle } from "./native/interface.js";
import { native } from "./native/native.js";
import { nativeObjects, visitTensors } from "./ownership.js";
import { handlesOf, type Tensor, tensorOf } from "./tensor.js";

/**
 * The operator calls of a forward pass without gradients, which are repeated with other inputs without running the code that made them. It
 * keeps no tensors.
 */
export class RecordedPass {
  readonly #handle: Handle;

  /** @internal */
  constructor(handle: Handle) {
    this.#handle = handle;
    nativeObjects.register(this, handle, this);
  }

  /**
   * Repeats the pass.
   * @param inputs as many as when it was recorded
   * @returns the output; undefined if it can't be repeated: an input has another shape, dtype or device, a tensor that it used was
   *   released or changed in place, except by the pass, or gradients are recorded
   */
  run(inputs: readonly Tensor[]): Tensor | undefined {
    return tensorOf(native.runPass(this.#handle, handlesOf(inputs)));
  }

  /** Releases the calls. May be called twice. */
  dispose(): void {
    nativeObjects.unregister(this);
    native.releaseOne(this.#handle);
  }
}

/** The output of a pass, and the pass if it can be repeated. */
export interface Recording {
  readonly output: Tensor;
  readonly pass: RecordedPass | undefined;
}

/**
 * Runs `body` and records its operator calls. All that `body` does must depend only on its inputs' shapes, and on tensors that outlive the
 * pass. A pass can't be repeated if it draws random numbers, reads a tensor's values, makes tensors from numbers, or writes to tensors that it
 * made; nor can one within another, or in grad mode.
 * @param inputs the tensors that will be others when the pass is repeated
 */
export function recordPass(inputs: readonly Tensor[], body: () => Tensor): Recording {
  const handles = handlesOf(inputs);
  if (!native.startPass()) return { output: body(), pass: undefined };
  let output: Tensor;
  try {
    output = body();
  } catch (error) {
    native.stopPass([], null);
    throw error;
  }
  const handle = native.stopPass(handles, output.handle);
  return { output, pass: handle === null ? undefined : new RecordedPass(handle) };
}

/** Makes the pass that is being recorded, if any, depend on the values of tensors that it may not read. */
export function dependOn(tensors: readonly Tensor[]): void {
  native.dependOn(handlesOf(tensors));
}

/** The tensors in a value: one, or those in arrays, plain objects, Maps and Sets, each once. */
export function tensorsIn(value: unknown): Tensor[] {
  const found: Tensor[] = [];
  visitTensors(value, new Set(), (tensor) => found.push(tensor as Tensor));
  return found;
}

import { type Handle, native } from "./native.js";
import type { Tensor } from "./tensor.js";

/** What a disposed tensor has in place of its handle: no slot has it. */
export const released: Handle = -1;

type Collected = { readonly handle: Handle; readonly bytes: number };

const collected = new WeakMap<Tensor, Collected>();
const registry = new FinalizationRegistry<Collected>((record) => {
  native.releaseOne(record.handle);
  native.adjustExternalMemory(-record.bytes);
});

/** Tensors of the innermost open scope. */
let current: Set<Tensor> | undefined;

/** Gives a new tensor to the open scope, or to the garbage collector, which is told of its bytes. */
export function adopt(tensor: Tensor): void {
  if (current) current.add(tensor);
  else handToCollector(tensor);
}

function handToCollector(tensor: Tensor): void {
  const record = { handle: tensor.handle, bytes: native.storageBytes(tensor.handle) };
  native.adjustExternalMemory(record.bytes);
  collected.set(tensor, record);
  registry.register(tensor, record, tensor);
}

/** Takes a tensor out of its owner's hands, before it is released or handed on. */
export function forget(tensor: Tensor): void {
  if (current?.delete(tensor)) return;
  const record = collected.get(tensor);
  if (!record) return;
  collected.delete(tensor);
  registry.unregister(tensor);
  native.adjustExternalMemory(-record.bytes);
}

/** Lets a tensor outlive every open scope: it is released by `dispose` or by the garbage collector. */
export function keep<T extends Tensor>(tensor: T): T {
  if (!collected.has(tensor)) {
    forget(tensor);
    handToCollector(tensor);
  }
  return tensor;
}

/**
 * Runs `body` and releases the tensors made in it, except those in its result (a tensor, or arrays, plain objects, Maps
 * and Sets of them), which go to the scope outside, and those that were given to `keep`. `body` is synchronous.
 */
export function scope<T>(body: () => T): T {
  const outer = current;
  const inner = new Set<Tensor>();
  current = inner;
  try {
    const result = body();
    for (const tensor of tensorsIn(result)) {
      if (!inner.delete(tensor)) continue;
      if (outer) outer.add(tensor);
      else handToCollector(tensor);
    }
    return result;
  } finally {
    current = outer;
    native.release(Float64Array.from(inner, (tensor) => tensor.detachHandle()));
  }
}

function* tensorsIn(value: unknown): Generator<Tensor> {
  if (typeof value !== "object" || value === null) return;
  if ("detachHandle" in value) yield value as Tensor;
  else if (value instanceof Map) for (const item of value.values()) yield* tensorsIn(item);
  else if (Array.isArray(value) || value instanceof Set) for (const item of value) yield* tensorsIn(item);
  else if (Object.getPrototypeOf(value) === Object.prototype) for (const item of Object.values(value)) yield* tensorsIn(item);
}

/** Number of native objects alive in this thread. */
export function liveHandles(): number {
  return native.liveHandles();
}

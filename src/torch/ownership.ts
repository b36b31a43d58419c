import type { Handle } from "./native/interface.js";
import { native } from "./native/native.js";

/** The handle of disposed tensors, which no slot has. */
export const released: Handle = -1;

/** The part of a tensor that concerns its ownership. */
interface Owned {
  readonly handle: Handle;
  /** Gives up the handle. */
  detachHandle(): Handle;
}

type Scope = { readonly tensors: Set<Owned>; readonly outer: Scope | undefined };

/** The innermost open scope. */
let current: Scope | undefined;

/** Releases native objects other than tensors once the garbage collector has found them unused. */
export const nativeObjects = new FinalizationRegistry<Handle>((handle) => native.releaseOne(handle));

/** Tensors that the garbage collector owns. */
const collectable = new WeakSet<Owned>();
const registry = new FinalizationRegistry<Handle>((handle) => {
  native.takeFromCollector(handle);
  native.releaseOne(handle);
});

/** Makes the open scope own a new tensor, or the garbage collector, which then counts its bytes. */
export function adopt(tensor: Owned): void {
  if (current) current.tensors.add(tensor);
  else giveToCollector(tensor);
}

function giveToCollector(tensor: Owned): void {
  native.giveToCollector(tensor.handle);
  collectable.add(tensor);
  registry.register(tensor, tensor.handle, tensor);
}

/** Removes a tensor from its owner, before it is released or gets another owner. */
export function forget(tensor: Owned): void {
  if (collectable.delete(tensor)) {
    registry.unregister(tensor);
    native.takeFromCollector(tensor.handle);
    return;
  }
  for (let owner = current; owner; owner = owner.outer) if (owner.tensors.delete(tensor)) return;
}

/** Makes a tensor outlive every open scope: `dispose` or the garbage collector releases it. */
export function keep<T extends Owned>(tensor: T): T {
  if (!collectable.has(tensor)) {
    giveToCollector(tensor);
    for (let owner = current; owner; owner = owner.outer) owner.tensors.delete(tensor);
  }
  return tensor;
}

/**
 * Runs `body` and releases the tensors created in it, except those passed to `keep` and those in its result (a tensor, or arrays, plain
 * objects, Maps and Sets of tensors), which the outer scope then owns. `body` must be synchronous.
 */
export function scope<T>(body: () => T): T {
  const inner: Scope = { tensors: new Set(), outer: current };
  current = inner;
  try {
    const result = body();
    if (result instanceof Promise)
      throw new TypeError("scope() takes a synchronous function, and got one that returns a promise.");
    current = inner.outer;
    visitTensors(result, new Set(), (tensor) => {
      if (inner.tensors.delete(tensor)) adopt(tensor);
    });
    return result;
  } finally {
    current = inner.outer;
    native.release(Float64Array.from(inner.tensors, (tensor) => tensor.detachHandle()));
  }
}

/** Visits the tensors in arrays, plain objects, Maps and Sets, each object once. */
export function visitTensors(value: unknown, seen: Set<unknown>, visit: (tensor: Owned) => void): void {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || seen.has(value)) return;
  seen.add(value);
  if ("detachHandle" in value) visit(value as Owned);
  else if (value instanceof Map || value instanceof Set)
    for (const item of value.values()) visitTensors(item, seen, visit);
  else if (Array.isArray(value)) for (const item of value) visitTensors(item, seen, visit);
  else if (isPlain(value)) for (const item of Object.values(value)) visitTensors(item, seen, visit);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Bytes of the tensors that the garbage collector owns, counting each storage once. V8 sees them as external memory. */
export function collectableBytes(): number {
  return native.collectableBytes();
}

/** The number of live native objects in this thread. */
export function liveHandles(): number {
  return native.liveHandles();
}

/** Bytes allocated from the C library: the tensors of all threads, and other memory of libtorch and Node. */
export function allocatedBytes(): number {
  return native.allocatedBytes();
}

/** Gives memory back to the system that the C library has kept for the next tensors. */
export function returnFreedMemory(): void {
  native.returnFreedMemory();
}

import { type Handle, native } from "./native.js";

/** The handle of disposed tensors: no slot has it. */
export const released: Handle = -1;

/** A tensor, as far as its ownership goes. */
interface Owned {
  readonly handle: Handle;
  /** Gives the handle up. */
  detachHandle(): Handle;
}

type Scope = { readonly tensors: Set<Owned>; readonly outer: Scope | undefined };

/** The innermost open scope. */
let current: Scope | undefined;

/** Tensors that the garbage collector owns. */
const collectable = new WeakSet<Owned>();
const registry = new FinalizationRegistry<Handle>((handle) => {
  native.takeFromCollector(handle);
  native.releaseOne(handle);
});

/** Gives a new tensor to the open scope, or to the garbage collector, which counts its bytes. */
export function adopt(tensor: Owned): void {
  if (current) current.tensors.add(tensor);
  else giveToCollector(tensor);
}

function giveToCollector(tensor: Owned): void {
  native.giveToCollector(tensor.handle);
  collectable.add(tensor);
  registry.register(tensor, tensor.handle, tensor);
}

/** Removes a tensor from its owner, before it is released or passed on. */
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
 * Runs `body` and releases the tensors made in it, except those in its result (a tensor, or arrays, plain objects, Maps
 * and Sets of them), which go to the outer scope, and those passed to `keep`. `body` is synchronous.
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

function visitTensors(value: unknown, seen: Set<unknown>, visit: (tensor: Owned) => void): void {
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

/** Bytes of the tensors that the garbage collector owns, each storage counted once. V8 counts them as external memory. */
export function collectableBytes(): number {
  return native.collectableBytes();
}

/** Number of native objects alive in this thread. */
export function liveHandles(): number {
  return native.liveHandles();
}

/** Bytes in use that came from the C library's allocator: tensors of all threads, and what libtorch and Node keep beside them. */
export function allocatedBytes(): number {
  return native.allocatedBytes();
}

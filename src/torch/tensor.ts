import { numbersOf } from "../base/index.js";
import { DTYPE_BYTES, type DType, dtypeOf, numelOf, type TypedArray, viewAs } from "./dtype.js";
import type { Handle } from "./native/interface.js";
import { native } from "./native/native.js";
import { adopt, forget, released } from "./ownership.js";

/**
 * A libtorch tensor. It is owned by the scope that is open when it is created, or outside all scopes by the garbage collector. Using it
 * after its release throws a TorchError.
 */
export class Tensor {
  #handle: Handle;
  #shape: readonly number[] | undefined;
  #dtype: DType | undefined;
  #device: string | undefined;

  /** For the bridge: takes ownership of a handle. */
  constructor(handle: Handle) {
    this.#handle = handle;
    adopt(this);
  }

  /** The native handle, for calls through the bridge. */
  get handle(): Handle {
    return this.#handle;
  }

  get shape(): readonly number[] {
    if (!this.#shape) this.#describe();
    return this.#shape!;
  }

  get dtype(): DType {
    if (!this.#dtype) this.#describe();
    return this.#dtype!;
  }

  /** The device by libtorch's name, such as "cpu". */
  get device(): string {
    if (!this.#device) this.#describe();
    return this.#device!;
  }

  get numel(): number {
    return numelOf(this.shape);
  }

  /** The size of its elements in bytes. */
  get nbytes(): number {
    return this.numel * DTYPE_BYTES[this.dtype];
  }

  get requiresGrad(): boolean {
    return native.requiresGrad(this.#handle);
  }

  /** Sets whether operations on it are recorded for `backward`. */
  setRequiresGrad(on: boolean): this {
    native.setRequiresGrad(this.#handle, on);
    return this;
  }

  /** The gradient accumulated by `backward`, or undefined. */
  get grad(): Tensor | undefined {
    return tensorOf(native.gradient(this.#handle));
  }

  /** Replaces the accumulated gradient. */
  setGrad(gradient: Tensor | undefined): void {
    native.setGradient(this.#handle, gradient ? gradient.handle : null);
  }

  /** The number of in-place changes. */
  get version(): number {
    return native.version(this.#handle);
  }

  get isDisposed(): boolean {
    return this.#handle === released;
  }

  /** Releases the tensor immediately. May be called twice. */
  dispose(): void {
    if (this.#handle === released) return;
    forget(this);
    native.releaseOne(this.#handle);
    this.#handle = released;
  }

  /** For scopes, which release many handles in one native call. */
  detachHandle(): Handle {
    const handle = this.#handle;
    this.#handle = released;
    return handle;
  }

  /** The value of a single-element tensor. */
  item(): number {
    return native.item(this.#handle);
  }

  /** The elements in row-major order; float16 and bfloat16 as float32. */
  toTypedArray(): TypedArray {
    const dtype = this.dtype === "bfloat16" || this.dtype === "float16" ? "float32" : this.dtype;
    return viewAs(native.toBytes(this.#handle, dtype), dtype);
  }

  /** The elements in row-major order as numbers (booleans as 0 and 1, int64 as the nearest double). */
  toArray(): number[] {
    return numbersOf(this.toTypedArray());
  }

  /** A copy of the elements' bytes in row-major order, little-endian. */
  bytes(): Uint8Array<ArrayBuffer> {
    return native.toBytes(this.#handle, this.dtype);
  }

  #describe(): void {
    const [dtype, ...rest] = native.describe(this.#handle);
    const device = rest.at(-1);
    this.#dtype = dtype as DType;
    this.#device = typeof device === "string" ? device : "cpu";
    this.#shape = (typeof device === "string" ? rest.slice(0, -1) : rest) as number[];
  }
}

/** For the bridge: the handles of tensors. */
export const handlesOf = (tensors: readonly Tensor[]): Handle[] => tensors.map(({ handle }) => handle);

/** For the bridge: the tensor of a handle, if there is one. */
export const tensorOf = (handle: Handle | null): Tensor | undefined =>
  handle === null ? undefined : new Tensor(handle);

/**
 * A tensor with a copy of `data`.
 * @param shape defaults to one dimension of the data's length.
 * @param dtype defaults to the typed array's dtype, or float32 for plain numbers.
 * @param device defaults to the CPU.
 * @throws TorchError if the data's length does not match the shape.
 */
export function tensor(
  data: readonly number[] | TypedArray,
  shape?: readonly number[],
  dtype?: DType,
  device = "cpu",
): Tensor {
  const source = ArrayBuffer.isView(data) ? data : Float64Array.from(data);
  const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  const wanted = dtype ?? (source === data ? dtypeOf(source) : "float32");
  return new Tensor(native.fromBytes(bytes, shape ?? [data.length], dtypeOf(source), wanted, unlessCpu(device)));
}

const unlessCpu = (device: string): string | undefined => (device === "cpu" ? undefined : device);

/**
 * A tensor with a copy of little-endian `bytes`, whose length must match `shape` and `dtype`.
 * @param device defaults to the CPU.
 */
export function fromBytes(bytes: Uint8Array, shape: readonly number[], dtype: DType, device = "cpu"): Tensor {
  return new Tensor(native.fromBytes(bytes, shape, dtype, dtype, unlessCpu(device)));
}

/** Reads a tensor on the CPU from an open file at a byte offset, directly into its memory. */
export function readFile(fd: number, offset: number, shape: readonly number[], dtype: DType): Tensor {
  return new Tensor(native.readFile(shape, dtype, fd, offset));
}

/** The fewest bytes that are mapped: a mapping of less saves nothing. */
const LEAST_MAPPED = 2 ** 16;

/** As `mapFile` for a tensor that is large and aligned, else as `readFile`. */
export function mapOrReadFile(...[file, offset, shape, dtype]: Parameters<typeof mapFile>): Tensor {
  const isMapped = numelOf(shape) * DTYPE_BYTES[dtype] >= LEAST_MAPPED && offset % DTYPE_BYTES[dtype] === 0;
  return isMapped ? mapFile(file, offset, shape, dtype) : readFile(file.descriptor, offset, shape, dtype);
}

/**
 * A tensor on the CPU whose elements are an open file's bytes from an offset on. They are read when they are used. Once another program
 * has changed the file, reading or writing any tensor's values throws a BidoraError `FILE_CHANGED` that names `path`, for as long as the
 * tensor exists, and at least once.
 */
export function mapFile(
  { path, descriptor }: { readonly path: string; readonly descriptor: number },
  offset: number,
  shape: readonly number[],
  dtype: DType,
): Tensor {
  return new Tensor(native.mapFile(shape, dtype, descriptor, offset, path));
}

/** Writes a tensor's elements in row-major order to an open file at a byte offset. */
export function writeFile(tensor: Tensor, fd: number, offset: number): void {
  native.writeFile(tensor.handle, fd, offset);
}

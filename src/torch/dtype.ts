// Element types and shapes.
/** Element types that are bridged, with their size in bytes. */
export const DTYPE_BYTES = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
} as const;

/** Types of a tensor's elements, by torch's names. */
export type DType = keyof typeof DTYPE_BYTES;

/** The dtype that sums over elements of a dtype are computed in: float64 for its own, else float32. */
export const wideDtype = (dtype: DType): DType => (dtype === "float64" ? "float64" : "float32");

/** The arrays that tensors are made from and read into. */
export type TypedArray = Float64Array | Float32Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** The dtype whose elements a typed array holds. */
export function dtypeOf(array: TypedArray): DType {
  if (array instanceof Float32Array) return "float32";
  if (array instanceof Float64Array) return "float64";
  if (array instanceof BigInt64Array) return "int64";
  if (array instanceof Int32Array) return "int32";
  if (array instanceof Int16Array) return "int16";
  if (array instanceof Int8Array) return "int8";
  return "uint8";
}

/** A view of `bytes` (aligned at 0) as the typed array of `dtype`. */
export function viewAs(bytes: Uint8Array<ArrayBuffer>, dtype: Exclude<DType, "float16" | "bfloat16">): TypedArray {
  switch (dtype) {
    case "float64":
      return new Float64Array(bytes.buffer);
    case "float32":
      return new Float32Array(bytes.buffer);
    case "int64":
      return new BigInt64Array(bytes.buffer);
    case "int32":
      return new Int32Array(bytes.buffer);
    case "int16":
      return new Int16Array(bytes.buffer);
    case "int8":
      return new Int8Array(bytes.buffer);
    default:
      return bytes;
  }
}

/** True for shapes of the same sizes in the same order. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** How many elements a tensor of this shape has. */
export function numelOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

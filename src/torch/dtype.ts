// Element types and shapes.
/** The supported element types, with their sizes in bytes. */
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

/** A tensor's element type, by PyTorch's name. */
export type DType = keyof typeof DTYPE_BYTES;

/** The dtype in which to accumulate sums of a dtype: float64 for float64, otherwise float32. */
export const wideDtype = (dtype: DType): DType => (dtype === "float64" ? "float64" : "float32");

/** Arrays that tensors are created from and read into. */
export type TypedArray = Float64Array | Float32Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** The dtype of a typed array's elements. */
export function dtypeOf(array: TypedArray): DType {
  if (array instanceof Float32Array) return "float32";
  if (array instanceof Float64Array) return "float64";
  if (array instanceof BigInt64Array) return "int64";
  if (array instanceof Int32Array) return "int32";
  if (array instanceof Int16Array) return "int16";
  if (array instanceof Int8Array) return "int8";
  return "uint8";
}

/** A view of `bytes`, which begin at offset 0 of their buffer, as the typed array of `dtype`. */
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

/** Whether two shapes are equal. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** The number of elements of a tensor of this shape. */
export function numelOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

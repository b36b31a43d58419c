/** The types of values in a file's metadata, at the place of their number. */
export const VALUE_TYPES = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  "array",
  "uint64",
  "int64",
  "float64",
] as const;

type ValueType = (typeof VALUE_TYPES)[number];
/** A type of single values. */
export type ScalarType = Exclude<ValueType, "array">;
/** A single value; 64-bit numbers that a double can't hold are bigints. */
export type Scalar = number | bigint | boolean | string;

/** A value of the metadata as the file has it. */
export type GgufValue =
  | { readonly type: ScalarType; readonly value: Scalar }
  | { readonly type: "array"; readonly of: ScalarType; readonly values: readonly Scalar[] };

/** Bytes of a number or truth value; a string has its length before it. */
export const SCALAR_BYTES: Readonly<Record<Exclude<ScalarType, "string">, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  uint64: 8,
  int64: 8,
  float64: 8,
};
/** Of the length before a string, an array or a list of dimensions. */
export const LENGTH_BYTES = 8;

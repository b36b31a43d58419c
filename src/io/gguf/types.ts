// Constants and types of the GGUF format: metadata values.

import { BidoraError } from "../../common/errors.js";

/** The types of metadata values; their index is their number in the file. */
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
/** Value types other than arrays. */
export type ScalarType = Exclude<ValueType, "array">;
/** A value other than an array; 64-bit integers that a double can't hold are bigints. */
export type MetadataScalar = number | bigint | boolean | string;

/** A metadata value as stored in the file. */
export type GgufValue =
  | { readonly type: ScalarType; readonly value: MetadataScalar }
  | { readonly type: "array"; readonly of: ScalarType; readonly values: readonly MetadataScalar[] };

/** Bytes of a number or boolean. */
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
/** Bytes of the length before a string, an array or a list of dimensions. */
export const LENGTH_BYTES = 8;

/** The error for a file that is damaged or not supported. */
export function ggufError(file: string, what: string, options?: ErrorOptions): BidoraError {
  return new BidoraError("GGUF", `${file}: ${what}`, options);
}

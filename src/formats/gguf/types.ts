// Constants and types of the GGUF format: the element types of tensors, and metadata values.

import { BidoraError } from "../../base/index.js";

/** ggml's types, in files and in memory: number, name, elements per block, bytes per block. Rows hold whole blocks. */
const TYPES = [
  [0, "F32", 1, 4],
  [1, "F16", 1, 2],
  [2, "Q4_0", 32, 18],
  [3, "Q4_1", 32, 20],
  [6, "Q5_0", 32, 22],
  [7, "Q5_1", 32, 24],
  [8, "Q8_0", 32, 34],
  [9, "Q8_1", 32, 40],
  [10, "Q2_K", 256, 84],
  [11, "Q3_K", 256, 110],
  [12, "Q4_K", 256, 144],
  [13, "Q5_K", 256, 176],
  [14, "Q6_K", 256, 210],
  [15, "Q8_K", 256, 292],
  [16, "IQ2_XXS", 256, 66],
  [17, "IQ2_XS", 256, 74],
  [18, "IQ3_XXS", 256, 98],
  [19, "IQ1_S", 256, 50],
  [20, "IQ4_NL", 32, 18],
  [21, "IQ3_S", 256, 110],
  [22, "IQ2_S", 256, 82],
  [23, "IQ4_XS", 256, 136],
  [24, "I8", 1, 1],
  [25, "I16", 1, 2],
  [26, "I32", 1, 4],
  [27, "I64", 1, 8],
  [28, "F64", 1, 8],
  [29, "IQ1_M", 256, 56],
  [30, "BF16", 1, 2],
  [34, "TQ1_0", 256, 54],
  [35, "TQ2_0", 256, 66],
  [39, "MXFP4", 32, 17],
  [40, "NVFP4", 64, 36],
  [41, "Q1_0", 128, 18],
] as const;

export type GgmlType = (typeof TYPES)[number][1];

/** Elements and bytes per block. */
interface BlockSize {
  readonly elements: number;
  readonly bytes: number;
}

const NAMES = new Map<number, GgmlType>(TYPES.map(([id, name]) => [id, name]));
const IDS = new Map<GgmlType, number>(TYPES.map(([id, name]) => [name, id]));
const BLOCKS = new Map<GgmlType, BlockSize>(TYPES.map(([, name, elements, bytes]) => [name, { elements, bytes }]));

/** The type with this number, or undefined if there is none. */
export const ggmlType = (id: number): GgmlType | undefined => NAMES.get(id);

export const ggmlId = (type: GgmlType): number => IDS.get(type)!;

export const blockOf = (type: GgmlType): BlockSize => BLOCKS.get(type)!;

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

/** Numbers and booleans: their bytes, and the ends of the names of Buffer's methods for them. */
const SCALARS = {
  uint8: [1, "UInt8"],
  int8: [1, "Int8"],
  uint16: [2, "UInt16LE"],
  int16: [2, "Int16LE"],
  uint32: [4, "UInt32LE"],
  int32: [4, "Int32LE"],
  float32: [4, "FloatLE"],
  bool: [1, "UInt8"],
  uint64: [8, "BigUInt64LE"],
  int64: [8, "BigInt64LE"],
  float64: [8, "DoubleLE"],
} as const;
/** The type of a number or a boolean. */
export type NumberType = keyof typeof SCALARS;

export const bytesPer = (type: NumberType): number => SCALARS[type][0];

export const readNumber = (type: NumberType, bytes: Buffer, at: number): number | bigint =>
  bytes[`read${SCALARS[type][1]}`](at);

/** The bytes of a value that the type can hold. */
export function bytesOfNumber(type: NumberType, value: MetadataScalar): Buffer {
  const bytes = Buffer.alloc(bytesPer(type));
  const number = type === "uint64" || type === "int64" ? BigInt(value) : Number(value);
  bytes[`write${SCALARS[type][1]}`](number as never);
  return bytes;
}
/** Bytes of the length before a string, an array or a list of dimensions. */
export const LENGTH_BYTES = 8;

/** The error for a file that is damaged or not supported. */
export function ggufError(file: string, what: string, options?: ErrorOptions): BidoraError {
  return new BidoraError("GGUF", `${file}: ${what}`, options);
}

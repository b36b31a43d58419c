import type { DType } from "../torch/index.js";

/**
 * Every element type of the safetensors format, in the order in which the reference writer lays tensors out (descending size,
 * then kind), with its size in bits and, where the engine has it, its name there. The others can be listed, not read.
 */
const DTYPES = [
  ["U64", 64, undefined],
  ["I64", 64, "int64"],
  ["F64", 64, "float64"],
  ["C64", 64, undefined],
  ["F32", 32, "float32"],
  ["U32", 32, undefined],
  ["I32", 32, "int32"],
  ["BF16", 16, "bfloat16"],
  ["F16", 16, "float16"],
  ["U16", 16, undefined],
  ["I16", 16, "int16"],
  ["F8_E5M2FNUZ", 8, undefined],
  ["F8_E4M3FNUZ", 8, undefined],
  ["F8_E8M0", 8, undefined],
  ["F8_E4M3", 8, undefined],
  ["F8_E5M2", 8, undefined],
  ["I8", 8, "int8"],
  ["U8", 8, "uint8"],
  ["F6_E3M2", 6, undefined],
  ["F6_E2M3", 6, undefined],
  ["F4", 4, undefined],
  ["BOOL", 8, "bool"],
] as const satisfies readonly (readonly [string, number, DType | undefined])[];

export type SafetensorsDtype = (typeof DTYPES)[number][0];

const BITS = new Map<string, number>(DTYPES.map(([name, bits]) => [name, bits]));
const RANK = new Map<string, number>(DTYPES.map(([name], rank) => [name, rank]));
const TO_TORCH = new Map<string, DType | undefined>(DTYPES.map(([name, , torch]) => [name, torch]));
const FROM_TORCH = new Map<DType, SafetensorsDtype>(
  DTYPES.flatMap(([name, , torch]) => (torch === undefined ? [] : [[torch, name] as const])),
);

export function isSafetensorsDtype(name: unknown): name is SafetensorsDtype {
  return typeof name === "string" && BITS.has(name);
}

export const bitsOf = (dtype: SafetensorsDtype): number => BITS.get(dtype)!;

/** Place in the reference writer's order: smaller comes first in the file. */
export const rankOf = (dtype: SafetensorsDtype): number => RANK.get(dtype)!;

/** The engine's name, or undefined for a type that it does not compute with here (8-bit floats, unsigned words, complex …). */
export const torchDtype = (dtype: SafetensorsDtype): DType | undefined => TO_TORCH.get(dtype);

/** True for whole numbers and truth values, which no weight is stored as. */
export const isInteger = (dtype: SafetensorsDtype): boolean => /^([IU]\d|BOOL)/.test(dtype);

export const safetensorsDtype = (dtype: DType): SafetensorsDtype => FROM_TORCH.get(dtype)!;

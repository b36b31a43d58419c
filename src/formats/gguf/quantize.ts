// Encodes tensors in the element types that can be written.

import * as torch from "../../torch/index.js";
import { blockOf } from "./types.js";

/** The element types that can be written. */
export type WritableType = "F32" | "F16" | "BF16" | "Q8_0";

const { fround } = Math;

const DTYPES = { F32: "float32", F16: "float16", BF16: "bfloat16", Q8_0: "float32" } as const;
const INFINITE_HALF = 0x7c00;

/**
 * Encodes a tensor's elements, with the same bytes as the Python package `gguf`. Its rows must fill whole blocks.
 * @throws RangeError for values that are not finite in this type
 */
export function quantize(tensor: torch.Tensor, type: WritableType): Uint8Array<ArrayBuffer> {
  return torch.noGrad(() =>
    torch.scope(() => {
      const stored = torch.castTo(tensor, DTYPES[type]);
      if (!torch.isAllFinite(stored)) throw new RangeError(`some values are not finite in ${type}`);
      return type === "Q8_0" ? q8_0(stored) : stored.bytes();
    }),
  );
}

function q8_0(values: torch.Tensor): Uint8Array<ArrayBuffer> {
  const { elements } = blockOf("Q8_0");
  const largest = values.numel === 0 ? 0 : torch.max(torch.abs(values)).item();
  if (halfBits(fround(largest / 127)) === INFINITE_HALF) throw new RangeError(`${largest} is too large for Q8_0`);
  const [blocks] = torch.quantizeWeight(torch.reshape(values, [values.numel / elements, elements]), "q8_0");
  return (blocks as torch.Tensor).bytes();
}

// Conversion between float16 and float32 by their bits.

const HALVES = 2 ** 16;
let table: Float32Array | undefined;

/** The float32 value of every float16, indexed by its bits. */
export function halfValues(): Float32Array {
  table ??= makeTable();
  return table;
}

function makeTable(): Float32Array {
  const bits = new Uint32Array(HALVES);
  for (let half = 0; half < HALVES; half++) bits[half] = floatBits(half);
  return new Float32Array(bits.buffer);
}

function floatBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal float16 is a normal float32: its highest set bit becomes the implicit one.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

const float = new Float32Array(1);
const floatAsBits = new Uint32Array(float.buffer);

/** The bits of the float16 nearest to a float32 (ties to even). */
export function halfBits(value: number): number {
  float[0] = value;
  const bits = floatAsBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00 | ((size >> 13) & 0x3ff);
  if (size >= 0x477ff000) return sign | 0x7c00; // rounds to infinity
  if (size >= 0x38800000) return sign | ((size - 0x38000000 + 0xfff + ((size >> 13) & 1)) >> 13);
  // Subnormal: a multiple of 2 ** -24. The product is exact, so it rounds only once.
  return sign | roundEven(Math.abs(float[0]) * 2 ** 24);
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0);
}

/** llama.cpp's names for the element type of a file's matrices, with its number for `general.file_type`. */
const FILE_TYPES = {
  f32: { type: "F32", number: 0 },
  f16: { type: "F16", number: 1 },
  bf16: { type: "BF16", number: 32 },
  q8_0: { type: "Q8_0", number: 7 },
} as const satisfies Readonly<Record<string, { readonly type: WritableType; readonly number: number }>>;

export type FileType = keyof typeof FILE_TYPES;

export const fileTypeNumber = (fileType: FileType): number => FILE_TYPES[fileType].number;

/** The element type of a tensor, as in llama.cpp's converter: float32 for vectors, float16 for rows that don't fill blocks. */
export function typeOf(fileType: FileType, shape: readonly number[]): WritableType {
  const { type } = FILE_TYPES[fileType];
  if (shape.length < 2) return "F32";
  return (shape.at(-1) ?? 0) % blockOf(type).elements === 0 ? type : "F16";
}

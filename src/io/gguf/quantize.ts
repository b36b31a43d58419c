import * as torch from "../../torch/index.js";
import { blockOf } from "./format.js";

/** The types that can be written. */
export const WRITABLE_TYPES = ["F32", "F16", "BF16", "Q8_0"] as const;
export type WritableType = (typeof WRITABLE_TYPES)[number];

const { fround } = Math;

const DTYPES = { F32: "float32", F16: "float16", BF16: "bfloat16", Q8_0: "float32" } as const;
const INFINITE_HALF = 0x7c00;

/**
 * The bytes of a tensor's elements in a type, as the Python package `gguf` makes them. Its rows must fill whole blocks.
 * @throws RangeError for values that are not finite, or not in this type
 */
export function quantize(tensor: torch.Tensor, type: WritableType): Uint8Array<ArrayBuffer> {
  return torch.noGrad(() =>
    torch.scope(() => {
      const stored = torch.castTo(tensor, DTYPES[type]);
      if (!torch.isAllFinite(stored)) throw new RangeError(`it would hold something other than finite ${type} numbers`);
      const bytes = stored.bytes();
      return type === "Q8_0" ? q8_0(new Float32Array(bytes.buffer)) : bytes;
    }),
  );
}

/** 32 elements: the scale that puts the largest at 127, then a signed byte each, rounded away from zero where it stands between two. */
function q8_0(values: Float32Array): Uint8Array<ArrayBuffer> {
  const { elements, bytes } = blockOf("Q8_0");
  const out = new Uint8Array((values.length / elements) * bytes);
  for (let i = 0, at = 0; i < values.length; i += elements, at += bytes) {
    let largest = 0;
    for (let j = 0; j < elements; j++) largest = Math.max(largest, Math.abs(values[i + j]!));
    const scale = fround(largest / 127);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    const half = halfBits(scale);
    if (half === INFINITE_HALF) throw new RangeError(`${largest} is too large for Q8_0`);
    out[at] = half & 255;
    out[at + 1] = half >> 8;
    for (let j = 0; j < elements; j++) out[at + 2 + j] = roundAway(fround(values[i + j]! * inverse));
  }
  return out;
}

function roundAway(value: number): number {
  const size = Math.abs(value);
  const floor = Math.floor(size);
  return Math.sign(value) * (floor + Math.floor(2 * (size - floor)));
}

// 16-bit floats as 32-bit ones and back, by their bits.

const HALVES = 2 ** 16;
let table: Float32Array | undefined;

/** The value of each float16, by its bits. */
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
  // Below the smallest normal float16, but a normal float32: the highest bit becomes the hidden one.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

const float = new Float32Array(1);
const floatAsBits = new Uint32Array(float.buffer);

/** The float16 next to a float32 (ties to even), as bits. */
export function halfBits(value: number): number {
  float[0] = value;
  const bits = floatAsBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00 | ((size >> 13) & 0x3ff);
  if (size >= 0x477ff000) return sign | 0x7c00; // rounds beyond 65504
  if (size >= 0x38800000) return sign | ((size - 0x38000000 + 0xfff + ((size >> 13) & 1)) >> 13);
  // Subnormal: a multiple of 2 ** -24. The product is exact, so that it rounds once.
  return sign | roundEven(Math.abs(float[0]) * 2 ** 24);
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0);
}

/** llama.cpp's words for what a file's matrices are kept in, and its number of such a file. */
const FILE_TYPES = {
  f32: { type: "F32", number: 0 },
  f16: { type: "F16", number: 1 },
  bf16: { type: "BF16", number: 32 },
  q8_0: { type: "Q8_0", number: 7 },
} as const satisfies Readonly<Record<string, { readonly type: WritableType; readonly number: number }>>;

export type FileType = keyof typeof FILE_TYPES;

export const fileTypeNumber = (fileType: FileType): number => FILE_TYPES[fileType].number;

/** As llama.cpp's converter: vectors stay float32, and rows that do not fill blocks become float16. */
export function typeOf(fileType: FileType, shape: readonly number[]): WritableType {
  const { type } = FILE_TYPES[fileType];
  if (shape.length < 2) return "F32";
  return (shape.at(-1) ?? 0) % blockOf(type).elements === 0 ? type : "F16";
}

// Decodes the elements of GGUF tensors to float32.

import { blockOf, type GgmlType } from "../../files/ggmlTypes.js";
import * as torch from "../../torch/index.js";
import { halfValues } from "./quantize.js";

/** Writes the values of elements to `out`. */
type Unpack = (bytes: Uint8Array, out: Float32Array) => void;

const FLOATS: Partial<Record<GgmlType, Unpack>> = {
  F32: (bytes, out) => new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes),
  F16: f16,
  BF16: bf16,
};

/** The element types that can be read; those after the floats are blocks, which the native code decodes. */
export const READABLE_TYPES = [
  "F32",
  "F16",
  "BF16",
  "Q8_0",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q4_K",
  "Q5_K",
  "Q6_K",
] as const satisfies readonly GgmlType[];

export type ReadableType = (typeof READABLE_TYPES)[number];

export const isReadable = (type: GgmlType): type is ReadableType =>
  (READABLE_TYPES as readonly GgmlType[]).includes(type);

/** Decodes elements, in whole blocks, to float32, with the same bits as ggml and the Python package `gguf`. */
export function dequantize(type: ReadableType, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const { elements, bytes: blockBytes } = blockOf(type);
  const blocks = bytes.length / blockBytes;
  const unpack = FLOATS[type];
  if (!unpack) return decoded(type, bytes, [blocks, elements]);
  const out = new Float32Array(blocks * elements);
  unpack(bytes, out);
  return out;
}

function decoded(type: ReadableType, bytes: Uint8Array, shape: readonly number[]): Float32Array<ArrayBuffer> {
  return torch.scope(() => {
    const parts = [torch.fromBytes(bytes, [bytes.length], "uint8")];
    const values = torch.decodeWeight(torch.packedWeight(parts, type.toLowerCase(), [], shape, "float32"));
    return values.toTypedArray() as Float32Array<ArrayBuffer>;
  });
}

function f16(blocks: Uint8Array, out: Float32Array): void {
  const halves = halfValues();
  for (let i = 0; i < out.length; i++) out[i] = halves[blocks[2 * i]! | (blocks[2 * i + 1]! << 8)]!;
}

function bf16(blocks: Uint8Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < out.length; i++) bits[i] = (blocks[2 * i]! << 16) | (blocks[2 * i + 1]! << 24);
}

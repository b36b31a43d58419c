import { halfValues } from "./halves.js";
import { q4K, q5K, q6K } from "./kQuants.js";
import { blockOf, type GgmlType } from "./types.js";

/**
 * Puts the values of blocks into `out`, as ggml and its Python package compute them.
 * Every product of a scale and a small whole number is exact in a double, and so is the sum with an offset: what is stored has been
 * rounded to float32 once, as theirs.
 */
export type Unpack = (blocks: Uint8Array, out: Float32Array) => void;

/** By type, what can be read. */
const UNPACKS = {
  F32: (blocks, out) => new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(blocks),
  F16: f16,
  BF16: bf16,
  Q8_0: q8_0,
  Q4_0: q4_0,
  Q4_1: q4_1,
  Q5_0: q5_0,
  Q5_1: q5_1,
  Q4_K: q4K,
  Q5_K: q5K,
  Q6_K: q6K,
} as const satisfies Readonly<Partial<Record<GgmlType, Unpack>>>;

export type ReadableType = keyof typeof UNPACKS;

/** The types that can be read. */
export const READABLE_TYPES: readonly string[] = Object.keys(UNPACKS);

export const isReadable = (type: GgmlType): type is ReadableType => Object.hasOwn(UNPACKS, type);

/** The elements of whole blocks as float32. */
export function dequantize(type: ReadableType, blocks: Uint8Array): Float32Array<ArrayBuffer> {
  const { elements, bytes } = blockOf(type);
  const out = new Float32Array((blocks.length / bytes) * elements);
  UNPACKS[type](blocks, out);
  return out;
}

function f16(blocks: Uint8Array, out: Float32Array): void {
  const halves = halfValues();
  for (let i = 0; i < out.length; i++) out[i] = halves[blocks[2 * i]! | (blocks[2 * i + 1]! << 8)]!;
}

function bf16(blocks: Uint8Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < out.length; i++) bits[i] = (blocks[2 * i]! << 16) | (blocks[2 * i + 1]! << 24);
}

/** 32 elements: a scale, then a signed byte each. */
function q8_0(blocks: Uint8Array, out: Float32Array): void {
  const halves = halfValues();
  for (let at = 0, i = 0; at < blocks.length; at += 34, i += 32) {
    const scale = halves[blocks[at]! | (blocks[at + 1]! << 8)]!;
    for (let j = 0; j < 32; j++) out[i + j] = ((blocks[at + 2 + j]! << 24) >> 24) * scale;
  }
}

/** 32 elements: a scale, then 4 bits each; the low ones of a byte are of the first half. */
function q4_0(blocks: Uint8Array, out: Float32Array): void {
  const halves = halfValues();
  for (let at = 0, i = 0; at < blocks.length; at += 18, i += 32) {
    const scale = halves[blocks[at]! | (blocks[at + 1]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const byte = blocks[at + 2 + j]!;
      out[i + j] = ((byte & 15) - 8) * scale;
      out[i + j + 16] = ((byte >> 4) - 8) * scale;
    }
  }
}

/** As Q4_0, with an offset in the place of the 8. */
function q4_1(blocks: Uint8Array, out: Float32Array): void {
  const halves = halfValues();
  for (let at = 0, i = 0; at < blocks.length; at += 20, i += 32) {
    const scale = halves[blocks[at]! | (blocks[at + 1]! << 8)]!;
    const offset = halves[blocks[at + 2]! | (blocks[at + 3]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const byte = blocks[at + 4 + j]!;
      out[i + j] = (byte & 15) * scale + offset;
      out[i + j + 16] = (byte >> 4) * scale + offset;
    }
  }
}

/** As Q4_0, with the elements' fifth bits in four bytes before the others. */
function q5_0(blocks: Uint8Array, out: Float32Array): void {
  const halves = halfValues();
  for (let at = 0, i = 0; at < blocks.length; at += 22, i += 32) {
    const scale = halves[blocks[at]! | (blocks[at + 1]! << 8)]!;
    const high = fourBytes(blocks, at + 2);
    for (let j = 0; j < 16; j++) {
      const byte = blocks[at + 6 + j]!;
      out[i + j] = (((byte & 15) | (((high >>> j) & 1) << 4)) - 16) * scale;
      out[i + j + 16] = (((byte >> 4) | (((high >>> (j + 16)) & 1) << 4)) - 16) * scale;
    }
  }
}

/** As Q5_0, with an offset in the place of the 16. */
function q5_1(blocks: Uint8Array, out: Float32Array): void {
  const halves = halfValues();
  for (let at = 0, i = 0; at < blocks.length; at += 24, i += 32) {
    const scale = halves[blocks[at]! | (blocks[at + 1]! << 8)]!;
    const offset = halves[blocks[at + 2]! | (blocks[at + 3]! << 8)]!;
    const high = fourBytes(blocks, at + 4);
    for (let j = 0; j < 16; j++) {
      const byte = blocks[at + 8 + j]!;
      out[i + j] = ((byte & 15) | (((high >>> j) & 1) << 4)) * scale + offset;
      out[i + j + 16] = ((byte >> 4) | (((high >>> (j + 16)) & 1) << 4)) * scale + offset;
    }
  }
}

const fourBytes = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);

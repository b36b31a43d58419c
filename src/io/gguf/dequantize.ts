// Decodes the blocks of quantized GGUF tensors to float32.

import { halfValues } from "./quantize.js";
import { blockOf, type GgmlType } from "./types.js";

/**
 * Writes the values of blocks to `out`, with the same bits as ggml and the Python package `gguf`. The product of a scale and a small
 * integer is exact in a double, and so is the sum with an offset, so each value is rounded to float32 once, as in ggml.
 */
type Unpack = (blocks: Uint8Array, out: Float32Array) => void;

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

/** The element types that can be read. */
export const READABLE_TYPES: readonly string[] = Object.keys(UNPACKS);

export const isReadable = (type: GgmlType): type is ReadableType => Object.hasOwn(UNPACKS, type);

/** Decodes whole blocks to float32. */
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

/** 32 elements: a float16 scale, then one signed byte per element. */
function q8_0(blocks: Uint8Array, out: Float32Array): void {
  const halves = halfValues();
  for (let at = 0, i = 0; at < blocks.length; at += 34, i += 32) {
    const scale = halves[blocks[at]! | (blocks[at + 1]! << 8)]!;
    for (let j = 0; j < 32; j++) out[i + j] = ((blocks[at + 2 + j]! << 24) >> 24) * scale;
  }
}

/** 32 elements: a float16 scale, then 4 bits per element; low nibbles are the first 16 elements, high nibbles the others. */
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

/** As Q4_0, with a stored offset instead of the constant 8. */
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

/** As Q4_0, with the fifth bit of each element in four bytes before the nibbles. */
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

/** As Q5_0, with a stored offset instead of the constant 16. */
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

// ggml's "k-quants": 256 elements per block, in groups that have small scales besides the block's scale.

/** 8 groups of 32 elements with a scale and an offset each, then 4 bits per element; two groups share 32 bytes. */
function q4K(blocks: Uint8Array, out: Float32Array): void {
  for (let at = 0, i = 0; at < blocks.length; at += 144, i += 256) {
    for (let group = 0; group < 8; group++) {
      const scale = groupScale(blocks, at, group);
      const offset = groupOffset(blocks, at, group);
      const low = at + 16 + (group >> 1) * 32;
      const shift = (group & 1) * 4;
      for (let j = 0; j < 32; j++) out[i + group * 32 + j] = ((blocks[low + j]! >> shift) & 15) * scale - offset;
    }
  }
}

/** As Q4_K, with the fifth bits first: those of group g are bit g of 32 bytes. */
function q5K(blocks: Uint8Array, out: Float32Array): void {
  for (let at = 0, i = 0; at < blocks.length; at += 176, i += 256) {
    for (let group = 0; group < 8; group++) {
      const scale = groupScale(blocks, at, group);
      const offset = groupOffset(blocks, at, group);
      const low = at + 48 + (group >> 1) * 32;
      const shift = (group & 1) * 4;
      for (let j = 0; j < 32; j++) {
        const value = ((blocks[low + j]! >> shift) & 15) | (((blocks[at + 16 + j]! >> group) & 1) << 4);
        out[i + group * 32 + j] = value * scale - offset;
      }
    }
  }
}

/** 16 groups of 16 elements with a signed scale each: 4 low bits, 2 high bits, then the group scales and the block's scale. */
function q6K(blocks: Uint8Array, out: Float32Array): void {
  const halves = halfValues();
  for (let at = 0, i = 0; at < blocks.length; at += 210, i += 256) {
    const whole = halves[blocks[at + 208]! | (blocks[at + 209]! << 8)]!;
    // Runs of 32 elements: 64 bytes hold the low bits of four runs, 32 bytes the high bits.
    for (let run = 0; run < 8; run++) {
      const low = at + (run >> 2) * 64 + (run & 1) * 32;
      const lowShift = ((run >> 1) & 1) * 4;
      const high = at + 128 + (run >> 2) * 32;
      const highShift = (run & 3) * 2;
      for (let j = 0; j < 32; j++) {
        const value = ((blocks[low + j]! >> lowShift) & 15) | (((blocks[high + j]! >> highShift) & 3) << 4);
        const scale = ((blocks[at + 192 + run * 2 + (j >> 4)]! << 24) >> 24) * whole;
        out[i + run * 32 + j] = (value - 32) * scale;
      }
    }
  }
}

/*
 * Scales and offsets have 6 bits. For the first four groups these are the low bits of bytes 4–7 and 8–11. For the others, bytes 12–15
 * hold four bits (scales in the low nibble, offsets in the high one), and the free top bits of bytes 4–11 hold the two highest.
 */

function groupScale(blocks: Uint8Array, at: number, group: number): number {
  const whole = halfValues()[blocks[at]! | (blocks[at + 1]! << 8)]!;
  const six =
    group < 4 ? blocks[at + 4 + group]! & 63 : (blocks[at + 8 + group]! & 15) | ((blocks[at + group]! >> 2) & 48);
  return whole * six;
}

function groupOffset(blocks: Uint8Array, at: number, group: number): number {
  const whole = halfValues()[blocks[at + 2]! | (blocks[at + 3]! << 8)]!;
  const six =
    group < 4 ? blocks[at + 8 + group]! & 63 : (blocks[at + 8 + group]! >> 4) | ((blocks[at + 4 + group]! >> 2) & 48);
  return whole * six;
}

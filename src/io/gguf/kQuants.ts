// ggml's "k-quants": 256 elements a block, in groups with small scales of their own beside the block's.

import { halfValues } from "./halves.js";

/** 8 groups of 32 with a scale and an offset each; then 4 bits an element, two groups sharing 32 bytes. */
export function q4K(blocks: Uint8Array, out: Float32Array): void {
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

/** As Q4_K, with the elements' fifth bits before the others: group g's are the bits g of 32 bytes. */
export function q5K(blocks: Uint8Array, out: Float32Array): void {
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

/** 16 groups of 16 with a signed scale each: 4 low bits, 2 high bits, then scales and the block's own scale. */
export function q6K(blocks: Uint8Array, out: Float32Array): void {
  const halves = halfValues();
  for (let at = 0, i = 0; at < blocks.length; at += 210, i += 256) {
    const whole = halves[blocks[at + 208]! | (blocks[at + 209]! << 8)]!;
    // Runs of 32: 64 bytes hold the low bits of four of them, 32 bytes the high ones.
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
 * Scales and offsets have 6 bits. Those of the first four groups are the low bits of bytes 4 to 7 and 8 to 11; those of the others
 * have four bits in bytes 12 to 15 (scales low, offsets high), and their two highest in what the first ones left.
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

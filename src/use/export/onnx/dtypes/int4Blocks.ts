/** Matrices in 4 bits: blocks of 32 elements of a row, with a scale each, as ONNX Runtime's `MatMulNBits` takes them. */
import type * as torch from "../../../../torch/index.js";
import { byRows } from "./rewrite.js";

/** The dtype that scales are rounded to. */
export type ScaleType = "float32" | "float16";

/** Codes and scales of a matrix: values ≈ (code − 8) · scale of the block. */
export interface Int4Blocks {
  /** [rows, blocks, 16]: two codes a byte, the first in the low bits */
  readonly codes: Uint8Array<ArrayBuffer>;
  /** [rows, blocks] */
  readonly scales: Float32Array<ArrayBuffer>;
}

export const BLOCK = 32;
export const ZERO = 8;

/** The number of blocks in a row; the last one is filled up with zeros. */
export const blocksOf = (columns: number): number => Math.ceil(columns / BLOCK);

/** Rounds each block to multiples of an eighth of the value with the largest magnitude, which gets code 0. matrix: [rows, columns] */
export function toInt4Blocks(matrix: torch.Tensor, dtype: ScaleType): Int4Blocks {
  const [rows = 0, columns = 0] = matrix.shape;
  const blocks = blocksOf(columns);
  const [codes, scales] = [new Uint8Array((rows * blocks * BLOCK) / 2), new Float32Array(rows * blocks)];
  const rounded = dtype === "float16" ? roundedToHalf : Math.fround;
  const convert = (own: Float32Array, block: number) => {
    const scale = rounded(largest(own) / -ZERO);
    scales[block] = scale;
    for (let i = 0; i < BLOCK; i += 2) {
      const [low, high] = [codeOf(own[i], scale), codeOf(own[i + 1], scale)];
      codes[(block * BLOCK + i) / 2] = low | (high << 4);
    }
  };
  byRows(matrix, (values, first) => {
    for (let block = 0; block < (values.length / columns) * blocks; block++) {
      const row = Math.floor(block / blocks);
      const from = row * columns + (block % blocks) * BLOCK;
      convert(values.subarray(from, Math.min(from + BLOCK, (row + 1) * columns)), first * blocks + block);
    }
  });
  return { codes, scales };
}

/** The values that blocks stand for: [rows, columns]. */
export function fromInt4Blocks({ codes, scales }: Int4Blocks, columns: number): Float32Array<ArrayBuffer> {
  const blocks = blocksOf(columns);
  const rows = scales.length / blocks;
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const at = row * blocks * BLOCK + column;
      const code = (codes[Math.floor(at / 2)]! >> (column % 2 === 0 ? 0 : 4)) & 15;
      values[row * columns + column] = (code - ZERO) * scales[Math.floor(at / BLOCK)]!;
    }
  return values;
}

/** The value with the largest magnitude, with its sign; NaN if one is not a number, so that the scale is refused. */
function largest(values: Float32Array): number {
  let found = 0;
  for (const value of values) {
    if (Number.isNaN(value)) return value;
    if (Math.abs(value) > Math.abs(found)) found = value;
  }
  return found;
}

const codeOf = (value = 0, scale: number): number =>
  scale === 0 ? ZERO : Math.max(0, Math.min(15, Math.round(value / scale) + ZERO));

/** A number rounded to float32, and then to float16 (ties to even). */
export function roundedToHalf(value: number): number {
  const size = Math.abs(Math.fround(value));
  if (size >= 65_520) return Math.sign(value) * Number.POSITIVE_INFINITY;
  const unit = 2 ** (Math.max(-14, Math.floor(Math.log2(size))) - 10); // of the last of 10 binary places
  const units = Math.floor(size / unit);
  const rest = size / unit - units;
  const isUp = rest > 0.5 || (rest === 0.5 && units % 2 === 1);
  return Math.sign(value) * (units + (isUp ? 1 : 0)) * unit;
}

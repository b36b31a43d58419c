// Matrices as 4-bit codes in blocks of 32, as ONNX Runtime's `MatMulNBits` reads them: symmetric, with a scale for each block.

/** values ≈ (code − 8) · scale of the block. */
export interface Int4Blocks {
  /** [rows, blocks, 16]: two codes a byte, the first in the low bits */
  readonly codes: Uint8Array<ArrayBuffer>;
  /** [rows, blocks] */
  readonly scales: Float32Array<ArrayBuffer>;
}

export const BLOCK = 32;
const ZERO = 8;

/** The number of blocks in a row; the last one is filled up with zeros. */
export const blocksOf = (columns: number): number => Math.ceil(columns / BLOCK);

/**
 * Rounds each block to multiples of an eighth of the value with the largest magnitude, which gets code 0.
 * @param values [rows, columns]
 * @param rounded the scale as it is stored
 */
export function int4Blocks(
  values: Float32Array,
  columns: number,
  rounded: (scale: number) => number = Math.fround,
): Int4Blocks {
  const [rows, blocks] = [values.length / columns, blocksOf(columns)];
  const codes = new Uint8Array((rows * blocks * BLOCK) / 2);
  const scales = new Float32Array(rows * blocks);
  for (let block = 0; block < scales.length; block++) {
    const from = Math.floor(block / blocks) * columns + (block % blocks) * BLOCK;
    const own = values.subarray(from, Math.min(from + BLOCK, (Math.floor(block / blocks) + 1) * columns));
    const scale = rounded(largest(own) / -ZERO);
    scales[block] = scale;
    for (let i = 0; i < BLOCK; i += 2) {
      const [low, high] = [codeOf(own[i], scale), codeOf(own[i + 1], scale)];
      codes[(block * BLOCK + i) / 2] = low | (high << 4);
    }
  }
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
      const code = ((codes[at >> 1] as number) >> (column % 2 === 0 ? 0 : 4)) & 15;
      values[row * columns + column] = (code - ZERO) * (scales[Math.floor(at / BLOCK)] as number);
    }
  return values;
}

/** The value with the largest magnitude, with its sign. */
function largest(values: Float32Array): number {
  let found = 0;
  for (const value of values) if (Math.abs(value) > Math.abs(found)) found = value;
  return found;
}

const codeOf = (value = 0, scale: number): number =>
  scale === 0 ? ZERO : Math.max(0, Math.min(15, Math.round(value / scale) + ZERO));

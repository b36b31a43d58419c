import * as torch from "../../torch/index.js";
import type { WeightFormat } from "./quantized.js";

const ELEMENTS = 32;
const SCALE_BYTES = 2;
const BLOCK_BYTES = SCALE_BYTES + ELEMENTS;

/** ggml's Q8_0: a block of 34 bytes has a float16 scale and 32 elements of a signed byte. */
export const q8_0 = {
  name: "q8_0",
  ggmlType: "Q8_0",
  elements: ELEMENTS,
  bytes: BLOCK_BYTES,

  /** Scales [rows, blocks, 1] float16, and factors [rows, blocks, 32] int8. */
  split(blocks, rows, device) {
    const count = blocks.length / BLOCK_BYTES;
    const scales = new Uint8Array(count * SCALE_BYTES);
    const factors = new Uint8Array(count * ELEMENTS);
    for (let i = 0, at = 0; i < count; i++, at += BLOCK_BYTES) {
      scales.set(blocks.subarray(at, at + SCALE_BYTES), i * SCALE_BYTES);
      factors.set(blocks.subarray(at + SCALE_BYTES, at + BLOCK_BYTES), i * ELEMENTS);
    }
    return [
      torch.fromBytes(scales, [rows, count / rows, 1], "float16", device),
      torch.fromBytes(factors, [rows, count / rows, ELEMENTS], "int8", device),
    ];
  },

  /** Scale times factor. */
  decode([scales, factors]) {
    const values = torch.mul(factors!, torch.castTo(scales!, "float32"));
    return torch.view(values, [values.shape[0] as number, -1]);
  },
} as const satisfies WeightFormat;

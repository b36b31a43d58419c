import * as torch from "../../torch/index.js";
import { halfBits } from "./halves.js";
import { blockOf } from "./types.js";

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

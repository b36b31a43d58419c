// Decodes the elements of GGUF tensors to float32.

import * as torch from "../../torch/index.js";
import { blockOf, type GgmlType } from "./types.js";

const FLOATS: Partial<Record<GgmlType, torch.DType>> = { F32: "float32", F16: "float16", BF16: "bfloat16" };

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

/** The dtype of a tensor of elements as they are stored: floats, or the bytes of blocks. */
export const elementDtype = (type: ReadableType): torch.DType => FLOATS[type] ?? "uint8";

/** How many elements of a tensor of `elementDtype` hold so many values. */
export function storedCount(type: ReadableType, values: number): number {
  const { elements, bytes } = blockOf(type);
  return FLOATS[type] ? values : (values / elements) * bytes;
}

/**
 * Values of elements, in whole blocks: floats as they are, and blocks in float32 with the same bits as ggml and the Python package `gguf`.
 * @param stored of `elementDtype`
 */
export function decoded(type: ReadableType, stored: torch.Tensor): torch.Tensor {
  if (FLOATS[type]) return stored;
  const { elements, bytes } = blockOf(type);
  const shape = [stored.numel / bytes, elements];
  return torch.scope(() => torch.decodeWeight(torch.packedWeight([stored], type.toLowerCase(), [], shape, "float32")));
}

/** The same from bytes, all in float32. */
export function dequantize(type: ReadableType, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  return torch.scope(() => {
    const dtype = elementDtype(type);
    const stored = torch.fromBytes(bytes, [bytes.length / torch.DTYPE_BYTES[dtype]], dtype);
    return torch.castTo(decoded(type, stored), "float32").toTypedArray() as Float32Array<ArrayBuffer>;
  });
}

// The element types of tensors that can be read and written: decoding, and encoding.

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

/** The element types that can be written. */
export type WritableType = "F32" | "F16" | "BF16" | "Q8_0";

const DTYPES = { F32: "float32", F16: "float16", BF16: "bfloat16", Q8_0: "float32" } as const;
/** The smallest number that float16 rounds to infinity. */
const INFINITE_HALF = 65_520;

/**
 * Encodes a tensor's elements, with the same bytes as the Python package `gguf`. Its rows must fill whole blocks.
 * @throws RangeError for values that are not finite in this type
 */
export function quantize(tensor: torch.Tensor, type: WritableType): Uint8Array<ArrayBuffer> {
  return torch.noGrad(() =>
    torch.scope(() => {
      const stored = torch.castTo(tensor, DTYPES[type]);
      if (!torch.isAllFinite(stored)) throw new RangeError(`some values are not finite in ${type}`);
      return type === "Q8_0" ? q8_0(stored) : stored.bytes();
    }),
  );
}

function q8_0(values: torch.Tensor): Uint8Array<ArrayBuffer> {
  const { elements } = blockOf("Q8_0");
  const largest = values.numel === 0 ? 0 : torch.max(torch.abs(values)).item();
  if (Math.fround(largest / 127) >= INFINITE_HALF) throw new RangeError(`${largest} is too large for Q8_0`);
  const [blocks] = torch.quantizeWeight(torch.reshape(values, [values.numel / elements, elements]), "q8_0");
  return blocks!.bytes();
}

/** llama.cpp's names for the element type of a file's matrices, with its number for `general.file_type`. */
const FILE_TYPES = {
  f32: { type: "F32", number: 0 },
  f16: { type: "F16", number: 1 },
  bf16: { type: "BF16", number: 32 },
  q8_0: { type: "Q8_0", number: 7 },
} as const satisfies Readonly<Record<string, { readonly type: WritableType; readonly number: number }>>;

export type FileType = keyof typeof FILE_TYPES;

export const fileTypeNumber = (fileType: FileType): number => FILE_TYPES[fileType].number;

/** The element type of a tensor, as in llama.cpp's converter: float32 for vectors, float16 for rows that don't fill blocks. */
export function typeOf(fileType: FileType, shape: readonly number[]): WritableType {
  const { type } = FILE_TYPES[fileType];
  if (shape.length < 2) return "F32";
  return (shape.at(-1) ?? 0) % blockOf(type).elements === 0 ? type : "F16";
}

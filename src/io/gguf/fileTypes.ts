import type { WritableType } from "./quantize.js";
import { blockOf } from "./types.js";

/** llama.cpp's words for what a file's matrices are kept in, and its number of such a file. */
const FILE_TYPES = {
  f32: { type: "F32", number: 0 },
  f16: { type: "F16", number: 1 },
  bf16: { type: "BF16", number: 32 },
  q8_0: { type: "Q8_0", number: 7 },
} as const satisfies Readonly<Record<string, { readonly type: WritableType; readonly number: number }>>;

export type FileType = keyof typeof FILE_TYPES;

export const fileTypeNumber = (fileType: FileType): number => FILE_TYPES[fileType].number;

/** As llama.cpp's converter: vectors stay float32, and rows that do not fill blocks become float16. */
export function typeOf(fileType: FileType, shape: readonly number[]): WritableType {
  const { type } = FILE_TYPES[fileType];
  if (shape.length < 2) return "F32";
  return (shape.at(-1) ?? 0) % blockOf(type).elements === 0 ? type : "F16";
}

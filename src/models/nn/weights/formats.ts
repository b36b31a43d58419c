import { blockOf, type GgmlType } from "../../../formats/gguf/index.js";

/** How a quantization format lies in memory. */
export interface WeightFormat {
  /** Its name in settings and messages, and for the native code. */
  readonly name: string;
  /** Rows must have a multiple of so many elements. */
  readonly elements: number;
  /** The block sizes of matrices that are packed here. */
  readonly block: readonly number[];
  /** The largest magnitude that can be packed: its scale is finite in float16. */
  readonly largest: number;
  /** The memory of a matrix of [rows, columns]. */
  bytesOf(shape: readonly number[]): number;
}

const LARGEST_HALF = 65504;
/** Elements with the same scale. */
const FOUR_BIT_BLOCK = 64;

/** bitsandbytes' 4-bit types. */
const fourBits = (name: string): WeightFormat => ({
  name,
  elements: 1,
  block: [FOUR_BIT_BLOCK],
  largest: Number.POSITIVE_INFINITY,
  bytesOf([rows, columns]) {
    const count = (rows as number) * (columns as number);
    return Math.ceil(count / 2) + 4 * Math.ceil(count / FOUR_BIT_BLOCK);
  },
});

/** bitsandbytes' rows of bytes. */
const bytes = (name: string, elements: number): WeightFormat => ({
  name,
  elements,
  block: [],
  largest: LARGEST_HALF,
  bytesOf: ([rows, columns]) => (rows as number) * ((columns as number) + 4),
});

/** Rows of bytes whose products round their inputs to int8 as well: see docs/packed.md. */
export const W8A8 = bytes("w8a8", 64);

/** ggml's blocks. @param levels the largest magnitude of a code */
function blocks(type: GgmlType, levels = 0): WeightFormat {
  const { elements, bytes } = blockOf(type);
  return {
    name: type.toLowerCase(),
    elements,
    block: [],
    largest: levels * LARGEST_HALF,
    bytesOf: ([rows, columns]) => (((rows as number) * (columns as number)) / elements) * bytes,
  };
}

const FORMATS = [
  fourBits("nf4"),
  fourBits("fp4"),
  bytes("int8", 1),
  W8A8,
  blocks("Q8_0", 127),
  blocks("Q4_0", 8),
  blocks("Q4_1"),
  blocks("Q5_0"),
  blocks("Q5_1"),
  blocks("Q4_K"),
  blocks("Q5_K"),
  blocks("Q6_K"),
];

/** The quantization formats of frozen matrices, by name. */
export const WEIGHT_FORMATS: ReadonlyMap<string, WeightFormat> = new Map(
  FORMATS.map((format) => [format.name, format]),
);

/** The formats that can be made here. */
export const PACKED_DTYPES = ["nf4", "fp4", "int8", "w8a8", "q8_0", "q4_0"] as const;
/** How frozen matrices can be held: packed in a format that can be made here, or dense in a dtype. */
export const BASE_DTYPES = [...PACKED_DTYPES, "bfloat16", "float32"] as const;
/** A format, or a dtype. */
export type BaseDtype = (typeof BASE_DTYPES)[number];

/** Whether matrices held so are packed. */
export const isPacked = (baseDtype: string | undefined): baseDtype is (typeof PACKED_DTYPES)[number] =>
  PACKED_DTYPES.some((name) => name === baseDtype);

/** How a quantization format lies in memory. */
export interface WeightFormat {
  /** Its name in settings and messages, and for the native code. */
  readonly name: string;
  /** Rows must have a multiple of so many elements. */
  readonly elements: number;
  /** Whether matrices of other dtypes can be packed into it. */
  readonly isMade: boolean;
  /** The memory of a matrix of [rows, columns] that was packed here. */
  bytesOf(shape: readonly number[]): number;
}

/** Elements with the same scale, of bitsandbytes' 4-bit formats as they are made here. */
export const FOUR_BIT_BLOCK = 64;

const fourBits = (name: string): WeightFormat => ({
  name,
  elements: 1,
  isMade: true,
  bytesOf([rows, columns]) {
    const count = (rows as number) * (columns as number);
    return Math.ceil(count / 2) + 4 * Math.ceil(count / FOUR_BIT_BLOCK);
  },
});

/** ggml's blocks. */
const blocks = (name: string, elements: number, bytes: number, isMade = false): WeightFormat => ({
  name,
  elements,
  isMade,
  bytesOf: ([rows, columns]) => (((rows as number) * (columns as number)) / elements) * bytes,
});

/** bitsandbytes' rows of bytes. */
const int8: WeightFormat = {
  name: "int8",
  elements: 1,
  isMade: true,
  bytesOf: ([rows, columns]) => (rows as number) * ((columns as number) + 4),
};

const FORMATS = [
  fourBits("nf4"),
  fourBits("fp4"),
  int8,
  blocks("q8_0", 32, 34, true),
  blocks("q4_0", 32, 18, true),
  blocks("q4_1", 32, 20),
  blocks("q5_0", 32, 22),
  blocks("q5_1", 32, 24),
  blocks("q4_k", 256, 144),
  blocks("q5_k", 256, 176),
  blocks("q6_k", 256, 210),
];

/** The quantization formats of frozen matrices, by name. */
export const WEIGHT_FORMATS: ReadonlyMap<string, WeightFormat> = new Map(
  FORMATS.map((format) => [format.name, format]),
);

/** The formats that matrices of other dtypes can be packed into. */
export const MADE_FORMATS = ["nf4", "fp4", "int8", "q8_0", "q4_0"] as const;
/** The name of one of them. */
export type MadeFormat = (typeof MADE_FORMATS)[number];

/** How frozen matrices can be held: packed, or dense in a dtype. */
export const BASE_DTYPES = [...MADE_FORMATS, "bfloat16", "float32"] as const;
/** A format, or a dtype. */
export type BaseDtype = (typeof BASE_DTYPES)[number];

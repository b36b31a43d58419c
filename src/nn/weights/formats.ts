import { q8_0 } from "./q8_0.js";
import type { WeightFormat } from "./quantized.js";

/** The quantization formats of frozen matrices, by name. */
export const WEIGHT_FORMATS = { q8_0 } satisfies Readonly<Record<string, WeightFormat>>;

/** The name of a quantization format. */
export type WeightFormatName = keyof typeof WEIGHT_FORMATS;

/** One of these formats. */
export type KnownFormat = (typeof WEIGHT_FORMATS)[WeightFormatName];

/** The names of all formats. */
export const weightFormatNames = Object.keys(WEIGHT_FORMATS) as readonly WeightFormatName[];

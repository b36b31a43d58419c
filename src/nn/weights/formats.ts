import { q8_0 } from "./q8_0.js";
import type { WeightFormat } from "./quantized.js";

/** The formats that frozen matrices can be held in, by name. */
export const WEIGHT_FORMATS = { q8_0 } satisfies Readonly<Record<string, WeightFormat>>;

/** Names of formats that frozen matrices can be held in. */
export type WeightFormatName = keyof typeof WEIGHT_FORMATS;

/** One of these formats. */
export type KnownFormat = (typeof WEIGHT_FORMATS)[WeightFormatName];

/** The names of all formats. */
export const weightFormatNames = Object.keys(WEIGHT_FORMATS) as readonly WeightFormatName[];

import type { GgufValue } from "./values.js";

/** A key of the metadata with its value. */
export type GgufPair = readonly [key: string, value: GgufValue];

export const text = (value: string): GgufValue => ({ type: "string", value });
export const count = (value: number): GgufValue => ({ type: "uint32", value });
export const number = (value: number): GgufValue => ({ type: "float32", value });
export const flag = (value: boolean): GgufValue => ({ type: "bool", value });
export const texts = (values: readonly string[]): GgufValue => ({ type: "array", of: "string", values });
export const numbers = (values: readonly number[]): GgufValue => ({ type: "array", of: "float32", values });
export const integers = (values: readonly number[]): GgufValue => ({ type: "array", of: "int32", values });

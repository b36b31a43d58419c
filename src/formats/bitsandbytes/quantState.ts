// How bitsandbytes describes a matrix of 4 bits: JSON in the bytes of `X.weight.quant_state.bitsandbytes__TYPE`.

import { type BidoraError, shown } from "../../base/index.js";
import { isJsonObject, type JsonObject, parsedJson } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";

export const FOUR_BIT_TYPES = ["nf4", "fp4"] as const;
export type FourBitType = (typeof FOUR_BIT_TYPES)[number];

/** The parts of a description that values depend on. */
export interface QuantState {
  readonly type: FourBitType;
  readonly shape: readonly [out: number, columns: number];
  /** The elements of a scale; then, with double quantization, the scales of a scale of theirs. */
  readonly block: readonly [number] | readonly [number, number];
  /** What is added to scales that are quantized themselves. */
  readonly offset: number;
}

/** Makes the error of a matrix, from what is wrong with it. */
export type Fault = (what: string) => BidoraError;

const DTYPES = ["float32", "bfloat16", "float16"];

/** @param type by the tensor's name @throws the error that `fault` makes for anything that bitsandbytes doesn't write */
export function parseQuantState(bytes: Uint8Array, type: FourBitType, fault: Fault): QuantState {
  const state = parsedJson(Buffer.from(bytes).toString("utf8"));
  if (!isJsonObject(state)) throw fault("has a quant_state that is not a JSON object");
  const { quant_type: own, shape, dtype } = state;
  if (own !== type) throw fault(`has the quant_type ${shown(own)} in its quant_state, but ${type} in the name of it`);
  if (!isShape(shape)) throw fault(`has the shape ${shown(shape)} in its quant_state, expected [out, in]`);
  if (!DTYPES.includes(dtype as string))
    throw fault(`has the dtype ${shown(dtype)} in its quant_state, expected one of ${DTYPES.join(", ")}`);
  const block = sizeOf(state, "blocksize", fault);
  if (state.nested_blocksize === undefined) return { type, shape, block: [block], offset: 0 };
  const nested = sizeOf(state, "nested_blocksize", fault);
  return { type, shape, block: [block, nested], offset: offsetOf(state, fault) };
}

function isShape(shape: unknown): shape is [number, number] {
  return Array.isArray(shape) && shape.length === 2 && shape.every((size) => Number.isSafeInteger(size) && size > 0);
}

/** The smallest of bitsandbytes' block sizes, which are powers of two. */
const SMALLEST_BLOCK = 32;

function sizeOf(state: JsonObject, key: string, fault: Fault): number {
  const size = state[key];
  const isSize = Number.isSafeInteger(size) && (size as number) >= SMALLEST_BLOCK && Number.isInteger(Math.log2(size as number)); // biome-ignore format: one line
  if (isSize) return size as number;
  throw fault(
    `has the ${key} ${shown(size)} in its quant_state, expected a power of two of at least ${SMALLEST_BLOCK}`,
  );
}

function offsetOf({ nested_dtype: dtype, nested_offset: offset }: JsonObject, fault: Fault): number {
  if (dtype !== "float32") throw fault(`has the nested_dtype ${shown(dtype)} in its quant_state, expected float32`);
  if (typeof offset === "number" && Number.isFinite(Math.fround(offset))) return offset;
  throw fault(`has the nested_offset ${shown(offset)} in its quant_state, expected a finite number`);
}

/** The values of a type's 16 codes, by bitsandbytes' tables: float32 [16]. A quant_map repeats them. */
export function levelsOf(type: FourBitType): torch.Tensor {
  return torch.scope(() => {
    const codes = Uint8Array.from({ length: 8 }, (_, i) => 0x22 * i + 1);
    const parts = [torch.fromBytes(codes, [8], "uint8"), torch.ones([1])];
    const values = torch.decodeWeight(torch.packedWeight(parts, type, [64], [1, 16], "float32"));
    return torch.addScalar(torch.flatten(values), 0); // without the sign of fp4's negative zero
  });
}

// The header of a safetensors file: dtypes, parsing and checks.

import { BidoraError, duplicateKey, shown } from "../../base/index.js";
import { isJsonObject, type JsonObject } from "../../base/records/index.js";
import type { DType } from "../../torch/index.js";

/** The format's limit on the size of the header, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;
/** The header is preceded by its length, a little-endian 64-bit integer. */
export const LENGTH_BYTES = 8;

const METADATA = "__metadata__";

/** One tensor of a file; `begin` and `end` are byte offsets from the end of the header. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
  /** The element type in the file, if reading converts it to `dtype`. */
  readonly storedAs?: string;
  /** Its name in the file, if that is not the parameter's. */
  readonly fileName?: string;
  /** The bytes of other tensors that belong to it, such as scales. */
  readonly partBytes?: number;
}

export interface SafetensorsHeader {
  /** By name, in the order of the data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

export function safetensorsError(file: string, what: string, options?: ErrorOptions): BidoraError {
  return new BidoraError("SAFETENSORS", `${file}: ${what}`, options);
}

/**
 * Reads the header's length from the file's first 8 bytes and checks it against the file's size.
 * @returns the header's length in bytes
 * @throws BidoraError `SAFETENSORS` if this is not a safetensors file or it is truncated
 */
export function headerLength(file: string, first: Uint8Array, fileBytes: number): number {
  if (fileBytes < LENGTH_BYTES) {
    throw safetensorsError(
      file,
      `not a safetensors file: it has ${fileBytes} bytes, fewer than the 8 of the header's length.`,
    );
  }
  const length = new DataView(first.buffer, first.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw safetensorsError(
      file,
      `not a safetensors file: its first 8 bytes give a header of ${length} bytes, the limit is ${MAX_HEADER_BYTES}.`,
    );
  }
  if (LENGTH_BYTES + Number(length) > fileBytes) {
    throw safetensorsError(
      file,
      `truncated: the header should have ${length} bytes, but only ${fileBytes - LENGTH_BYTES} follow; fetch or copy the file again.`,
    );
  }
  return Number(length);
}

/**
 * Parses and checks a header as strictly as the reference reader: known dtypes, non-negative integer shapes, offsets without gaps or
 * overlaps, matching sizes, and data that is covered exactly.
 * @param dataBytes number of bytes after the header
 * @throws BidoraError `SAFETENSORS` naming the file, the tensor and what is wrong
 */
export function parseHeader(file: string, bytes: Uint8Array, dataBytes: number): SafetensorsHeader {
  const header = parseObject(file, bytes);
  const tensors = Object.keys(header)
    .filter((name) => name !== METADATA)
    .map((name) => tensorInfo(file, name, header[name]))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(file, tensors, dataBytes);
  return {
    tensors: new Map(tensors.map((info) => [info.name, info])),
    metadata: parseMetadata(file, header[METADATA]),
  };
}

function parseObject(file: string, bytes: Uint8Array): JsonObject {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    throw safetensorsError(file, `the header is not valid JSON in UTF-8: ${(error as Error).message}.`, {
      cause: error,
    });
  }
  if (!isJsonObject(value)) throw safetensorsError(file, "the header must be a JSON object.");
  const twice = duplicateKey(text);
  if (twice !== undefined) throw safetensorsError(file, `the header has the key '${twice}' twice.`);
  return value;
}

function parseMetadata(file: string, metadata: unknown): Record<string, string> {
  if (metadata === undefined || metadata === null) return {};
  if (isJsonObject(metadata) && Object.values(metadata).every((value) => typeof value === "string")) {
    return metadata as Record<string, string>;
  }
  throw safetensorsError(file, "the header's __metadata__ must be an object whose values are all text.");
}

function tensorInfo(file: string, name: string, entry: unknown): TensorInfo {
  const fault = (what: string) => safetensorsError(file, `tensor '${name}' ${what}`);
  if (!isJsonObject(entry)) throw fault("must be described by an object with dtype, shape and data_offsets.");
  const missing = ["dtype", "shape", "data_offsets"].find((key) => entry[key] === undefined);
  if (missing !== undefined) throw fault(`has no ${missing}.`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isSafetensorsDtype(dtype)) throw fault(`has the unknown dtype ${shown(dtype)}.`);
  if (!isCounts(shape)) throw fault(`has the shape ${shown(shape)}, expected a list of non-negative integers.`);
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw fault(`has the data_offsets ${shown(offsets)}, expected two non-negative integers.`);
  }
  const [begin, end] = offsets as [number, number];
  if (end < begin) throw fault(`ends at byte ${end}, before it begins at ${begin}.`);
  const bits = shape.reduce((product, size) => product * exact(size, product, fault), bitsOf(dtype));
  if (bits % 8 !== 0) throw fault(`has ${bits} bits, which do not fill whole bytes.`);
  if (bits / 8 !== end - begin) {
    throw fault(
      `has shape [${shape.join(", ")}] and dtype ${dtype}, so ${bits / 8} bytes, but its data_offsets span ${end - begin}.`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function exact(size: number, product: number, fault: (what: string) => BidoraError): number {
  if (!Number.isSafeInteger(size * product)) throw fault("has a shape whose size is beyond any file.");
  return size;
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function checkLayout(file: string, tensors: readonly TensorInfo[], dataBytes: number): void {
  let position = 0;
  for (const { name, begin, end } of tensors) {
    if (begin !== position) {
      const fault = begin < position ? "overlaps the tensor before it" : "leaves a hole before it";
      throw safetensorsError(
        file,
        `tensor '${name}' begins at byte ${begin}, but ${position} comes next: it ${fault}.`,
      );
    }
    position = end;
  }
  if (position > dataBytes) {
    throw safetensorsError(
      file,
      `truncated: the tensors need ${position} bytes after the header, but ${dataBytes} are there; fetch or copy the file again.`,
    );
  }
  if (position < dataBytes) {
    throw safetensorsError(file, `${dataBytes - position} bytes at the end belong to no tensor.`);
  }
}

/**
 * Every dtype of the format, in the order in which the reference writer sorts tensors, with its size in bits and its name in PyTorch.
 * Those without a name here can be listed but not read.
 */
const DTYPES = [
  ["U64", 64, undefined],
  ["I64", 64, "int64"],
  ["F64", 64, "float64"],
  ["C64", 64, undefined],
  ["F32", 32, "float32"],
  ["U32", 32, undefined],
  ["I32", 32, "int32"],
  ["BF16", 16, "bfloat16"],
  ["F16", 16, "float16"],
  ["U16", 16, undefined],
  ["I16", 16, "int16"],
  ["F8_E5M2FNUZ", 8, undefined],
  ["F8_E4M3FNUZ", 8, undefined],
  ["F8_E8M0", 8, undefined],
  ["F8_E4M3", 8, undefined],
  ["F8_E5M2", 8, undefined],
  ["I8", 8, "int8"],
  ["U8", 8, "uint8"],
  ["F6_E3M2", 6, undefined],
  ["F6_E2M3", 6, undefined],
  ["F4", 4, undefined],
  ["BOOL", 8, "bool"],
] as const satisfies readonly (readonly [string, number, DType | undefined])[];

export type SafetensorsDtype = (typeof DTYPES)[number][0];

const BITS = new Map<string, number>(DTYPES.map(([name, bits]) => [name, bits]));
const RANK = new Map<string, number>(DTYPES.map(([name], rank) => [name, rank]));
const TO_TORCH = new Map<string, DType | undefined>(DTYPES.map(([name, , torch]) => [name, torch]));
const FROM_TORCH = new Map<DType, SafetensorsDtype>(
  DTYPES.flatMap(([name, , torch]) => (torch === undefined ? [] : [[torch, name] as const])),
);

function isSafetensorsDtype(name: unknown): name is SafetensorsDtype {
  return typeof name === "string" && BITS.has(name);
}

const bitsOf = (dtype: SafetensorsDtype): number => BITS.get(dtype)!;

/** Position in the reference writer's order: smaller comes first in the file. */
export const rankOf = (dtype: SafetensorsDtype): number => RANK.get(dtype)!;

/** PyTorch's name, or undefined for a dtype that is not supported here (8-bit floats, large unsigned integers, complex numbers). */
export const torchDtype = (dtype: SafetensorsDtype): DType | undefined => TO_TORCH.get(dtype);

/** True for integers and booleans, which no weight is stored as. */
export const isInteger = (dtype: SafetensorsDtype): boolean => /^([IU]\d|BOOL)/.test(dtype);

export const safetensorsDtype = (dtype: DType): SafetensorsDtype => FROM_TORCH.get(dtype)!;

// Writes GGUF files.

import { writeAll, writeAtomic } from "../../base/records/index.js";
import { numelOf, sameShape, scope, type Tensor } from "../../torch/index.js";
import { quantize, type WritableType } from "./elements.js";
import { ALIGNMENT_KEY, DEFAULT_ALIGNMENT, MAGIC, VERSIONS } from "./file.js";
import {
  blockOf,
  bytesOfNumber,
  bytesPer,
  type GgufValue,
  ggmlId,
  ggufError,
  type MetadataScalar,
  type ScalarType,
  VALUE_TYPES,
} from "./types.js";

/** A tensor to write. */
export interface GgufEntry {
  readonly name: string;
  readonly type: WritableType;
  /** In PyTorch's order of dimensions. */
  readonly shape: readonly number[];
  /** Returns the values, in any dtype; called once, when they are written. */
  tensor(): Tensor;
}

/** ggml stores names in 64 bytes with a terminating zero. */
const MAX_NAME_BYTES = 63;

/**
 * Writes a GGUF file tensor by tensor, with the same bytes as the Python package `gguf`. The file appears at `path` when it is complete.
 * @param metadata key-value pairs, written in the order given
 * @throws BidoraError `GGUF` for a duplicate name, a value that its type can't hold, rows that don't fill blocks, or values that are
 *   not finite
 */
export function writeGguf(
  path: string,
  metadata: Iterable<readonly [key: string, value: GgufValue]>,
  tensors: Iterable<GgufEntry>,
): void {
  const entries = [...tensors];
  const values = [...metadata];
  refuseTwice(
    path,
    values.map(([key]) => key),
    "metadata key",
  );
  refuseTwice(
    path,
    entries.map(({ name }) => name),
    "tensor",
  );
  const places = placesOf(path, entries);
  const header = headerBytes(path, values, entries, places);
  writeAtomic(path, (descriptor) => {
    writeAll(descriptor, header, 0);
    for (const [i, entry] of entries.entries()) {
      const bytes = bytesOf(path, entry);
      writeAll(descriptor, padded(bytes), header.length + places[i]!);
    }
  });
}

function refuseTwice(path: string, names: readonly string[], what: string): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw ggufError(path, `two ${what}s have the name '${name}'.`);
    seen.add(name);
  }
}

/** Offset of each tensor from the end of the header. */
function placesOf(path: string, entries: readonly GgufEntry[]): number[] {
  let next = 0;
  return entries.map((entry) => {
    const place = next;
    next += aligned(byteLengthOf(path, entry));
    return place;
  });
}

function byteLengthOf(path: string, { name, type, shape }: GgufEntry): number {
  const { elements, bytes } = blockOf(type);
  const row = shape.at(-1) ?? 1;
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw ggufError(path, `tensor '${name}' has a name of more than ${MAX_NAME_BYTES} bytes.`);
  }
  if (row % elements === 0) return (numelOf(shape) / elements) * bytes;
  throw ggufError(
    path,
    `tensor '${name}' has rows of ${row} elements, which do not fill ${type}'s blocks of ${elements}.`,
  );
}

function headerBytes(
  path: string,
  values: readonly (readonly [string, GgufValue])[],
  entries: readonly GgufEntry[],
  places: readonly number[],
): Uint8Array {
  const header = new HeaderWriter();
  header.raw(Buffer.from(MAGIC));
  header.scalar("uint32", VERSIONS.at(-1)!);
  header.scalar("uint64", entries.length);
  header.scalar("uint64", values.length);
  for (const [key, value] of values) writeValue(path, header, key, value);
  for (const [i, { name, type, shape }] of entries.entries()) {
    header.string(name);
    header.scalar("uint32", shape.length);
    for (const size of shape.toReversed()) header.scalar("uint64", size);
    header.scalar("uint32", ggmlId(type));
    header.scalar("uint64", places[i]!);
  }
  return padded(header.bytes());
}

function writeValue(path: string, header: HeaderWriter, key: string, value: GgufValue): void {
  if (key === ALIGNMENT_KEY && !(value.type === "uint32" && value.value === DEFAULT_ALIGNMENT)) {
    throw ggufError(path, `${ALIGNMENT_KEY} must be ${DEFAULT_ALIGNMENT}, the alignment of its tensors.`);
  }
  header.string(key);
  asError(path, `the value of ${key} can't be written`, () => header.value(value));
}

function bytesOf(path: string, { name, type, shape, tensor }: GgufEntry): Uint8Array {
  return scope(() => {
    const values = tensor();
    if (!sameShape(values.shape, shape)) {
      throw ggufError(path, `tensor '${name}' has shape [${values.shape.join(", ")}]; expected [${shape.join(", ")}].`);
    }
    return asError(path, `tensor '${name}' can't be written`, () => quantize(values, type));
  });
}

/** Turns a RangeError, for a value that a type can't hold, into a `BidoraError`. */
function asError<T>(path: string, what: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw ggufError(path, `${what}: ${cause.message}.`, { cause });
  }
}

const aligned = (length: number): number => Math.ceil(length / DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT;

function padded(bytes: Uint8Array): Uint8Array {
  const length = aligned(bytes.length);
  if (length === bytes.length) return bytes;
  const whole = new Uint8Array(length);
  whole.set(bytes);
  return whole;
}

/** Collects the bytes of a header. */
class HeaderWriter {
  readonly #parts: Uint8Array[] = [];

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  raw(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  /** @throws RangeError if the type can't hold the value */
  scalar(type: ScalarType, value: MetadataScalar): void {
    if (!fits(type, value)) throw new RangeError(`${String(value)} is not a valid ${type}`);
    if (type === "string") this.string(value as string);
    else this.raw(bytesOfNumber(type, value));
  }

  /** @throws RangeError if the type can't hold a value */
  value(entry: GgufValue): void {
    this.scalar("uint32", VALUE_TYPES.indexOf(entry.type));
    if (entry.type === "array") this.#list(entry.of, entry.values);
    else this.scalar(entry.type, entry.value);
  }

  #list(of: ScalarType, values: readonly MetadataScalar[]): void {
    this.scalar("uint32", VALUE_TYPES.indexOf(of));
    this.scalar("uint64", values.length);
    for (const value of values) this.scalar(of, value);
  }

  string(text: string): void {
    const bytes = Buffer.from(text);
    this.scalar("uint64", bytes.length);
    this.raw(bytes);
  }
}

function fits(type: ScalarType, value: MetadataScalar): boolean {
  if (type === "string") return typeof value === "string";
  if (type === "bool") return typeof value === "boolean";
  if (type.startsWith("float")) return typeof value === "number";
  const isWhole = typeof value === "bigint" || Number.isSafeInteger(value);
  if (!isWhole) return false;
  const held = type.startsWith("u") ? BigInt.asUintN : BigInt.asIntN;
  return held(8 * bytesPer(type), BigInt(value)) === BigInt(value);
}

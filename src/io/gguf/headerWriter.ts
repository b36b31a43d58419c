import { type GgufValue, SCALAR_BYTES, type Scalar, type ScalarType, VALUE_TYPES } from "./values.js";

/** The smallest and the largest of each type of whole numbers. */
const RANGES: Readonly<Partial<Record<ScalarType, readonly [bigint, bigint]>>> = {
  uint8: [0n, 2n ** 8n - 1n],
  int8: [-(2n ** 7n), 2n ** 7n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** Gathers the bytes of a header. */
export class HeaderWriter {
  readonly #parts: Uint8Array[] = [];

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  raw(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  /** @throws RangeError for a value that the type can't hold */
  scalar(type: ScalarType, value: Scalar): void {
    if (!fits(type, value)) throw new RangeError(`${String(value)} is no ${type}`);
    if (type === "string") this.string(value as string);
    else this.raw(numberBytes(type, value));
  }

  /** @throws RangeError as `scalar` */
  value(entry: GgufValue): void {
    this.scalar("uint32", VALUE_TYPES.indexOf(entry.type));
    if (entry.type === "array") this.#list(entry.of, entry.values);
    else this.scalar(entry.type, entry.value);
  }

  #list(of: ScalarType, values: readonly Scalar[]): void {
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

function fits(type: ScalarType, value: Scalar): boolean {
  if (type === "string") return typeof value === "string";
  if (type === "bool") return typeof value === "boolean";
  const range = RANGES[type];
  if (range === undefined) return typeof value === "number";
  const isWhole = typeof value === "bigint" || Number.isSafeInteger(value);
  return isWhole && BigInt(value) >= range[0] && BigInt(value) <= range[1];
}

function numberBytes(type: Exclude<ScalarType, "string">, value: Scalar): Uint8Array {
  const bytes = Buffer.alloc(SCALAR_BYTES[type]);
  if (type === "uint64") bytes.writeBigUInt64LE(BigInt(value));
  else if (type === "int64") bytes.writeBigInt64LE(BigInt(value));
  else if (type === "float32") bytes.writeFloatLE(value as number);
  else if (type === "float64") bytes.writeDoubleLE(value as number);
  else if (type.startsWith("u") || type === "bool") bytes.writeUIntLE(Number(value), 0, bytes.length);
  else bytes.writeIntLE(Number(value), 0, bytes.length);
  return bytes;
}

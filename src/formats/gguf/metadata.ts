// A file's metadata: typed access for reading, and key-value pairs for writing.

import { type GgufValue, ggufError, type MetadataScalar } from "./types.js";

/** Typed access to a file's metadata: undefined for a missing key, an error that names the key for a value of another type. */
export class GgufMetadata {
  constructor(
    readonly path: string,
    private readonly values: ReadonlyMap<string, GgufValue>,
  ) {}

  get keys(): readonly string[] {
    return [...this.values.keys()];
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  /** The value as stored in the file. */
  value(key: string): GgufValue | undefined {
    return this.values.get(key);
  }

  text(key: string): string | undefined {
    return this.#scalar(key, "a string", (value) => typeof value === "string");
  }

  flag(key: string): boolean | undefined {
    return this.#scalar(key, "true or false", (value) => typeof value === "boolean");
  }

  number(key: string): number | undefined {
    return this.#scalar(key, "a finite number", isNumber);
  }

  count(key: string): number | undefined {
    return this.#scalar(key, "a non-negative integer", isCount);
  }

  texts(key: string): readonly string[] | undefined {
    return this.#list(key, "a list of strings", (value) => typeof value === "string");
  }

  numbers(key: string): readonly number[] | undefined {
    return this.#list(key, "a list of finite numbers", isNumber);
  }

  /** @throws BidoraError `GGUF` if the key is missing */
  required<T>(key: string, value: T | undefined): T {
    if (value === undefined) throw ggufError(this.path, `its metadata lack the required key ${key}.`);
    return value;
  }

  #scalar<T extends MetadataScalar>(
    key: string,
    wanted: string,
    accepts: (value: MetadataScalar) => value is T,
  ): T | undefined {
    const found = this.values.get(key);
    if (found === undefined) return undefined;
    if (found.type !== "array" && accepts(found.value)) return found.value;
    throw ggufError(this.path, `${key} must be ${wanted}, but is ${shown(found)}.`);
  }

  #list<T extends MetadataScalar>(
    key: string,
    wanted: string,
    accepts: (value: MetadataScalar) => value is T,
  ): readonly T[] | undefined {
    const found = this.values.get(key);
    if (found === undefined) return undefined;
    if (found.type === "array") {
      const { values } = found;
      if (values.every(accepts)) return values;
    }
    throw ggufError(this.path, `${key} must be ${wanted}, but is ${shown(found)}.`);
  }
}

const isNumber = (value: MetadataScalar): value is number => typeof value === "number" && Number.isFinite(value);
const isCount = (value: MetadataScalar): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function shown(found: GgufValue): string {
  return found.type === "array" ? `a list of ${found.of}` : `${found.type} ${String(found.value).slice(0, 80)}`;
}

/** Reads keys with the architecture's name as their prefix, such as `llama.block_count`. */
export class ArchitectureKeys {
  constructor(
    readonly metadata: GgufMetadata,
    private readonly prefix: string,
  ) {}

  name(key: string): string {
    return `${this.prefix}.${key}`;
  }

  count(key: string): number {
    return this.metadata.required(this.name(key), this.optionalCount(key));
  }

  optionalCount(key: string): number | undefined {
    return this.metadata.count(this.name(key));
  }

  /** A count of at least 1. */
  size(key: string): number {
    const size = this.count(key);
    if (size === 0) throw this.fault(key, "must be at least 1, but is 0.");
    return size;
  }

  number(key: string): number {
    return this.metadata.required(this.name(key), this.optionalNumber(key));
  }

  optionalNumber(key: string): number | undefined {
    return this.metadata.number(this.name(key));
  }

  optionalFlag(key: string): boolean | undefined {
    return this.metadata.flag(this.name(key));
  }

  optionalText(key: string): string | undefined {
    return this.metadata.text(this.name(key));
  }

  /** The rest of each key that starts with `start`. */
  under(start: string): string[] {
    const whole = this.name(start);
    return this.metadata.keys.filter((key) => key.startsWith(whole)).map((key) => key.slice(whole.length));
  }

  fault(key: string, what: string): Error {
    return ggufError(this.metadata.path, `${this.name(key)} ${what}`);
  }
}

/** A metadata key and its value, as the writer takes them. */
export type GgufPair = readonly [key: string, value: GgufValue];

export const text = (value: string): GgufValue => ({ type: "string", value });
export const count = (value: number): GgufValue => ({ type: "uint32", value });
export const number = (value: number): GgufValue => ({ type: "float32", value });
export const flag = (value: boolean): GgufValue => ({ type: "bool", value });
export const texts = (values: readonly string[]): GgufValue => ({ type: "array", of: "string", values });
export const numbers = (values: readonly number[]): GgufValue => ({ type: "array", of: "float32", values });
export const integers = (values: readonly number[]): GgufValue => ({ type: "array", of: "int32", values });
export const bytes = (values: Uint8Array): GgufValue => ({ type: "array", of: "uint8", values: Array.from(values) });

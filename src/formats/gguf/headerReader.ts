// Reads the primitive values of a GGUF header, with bounds checks.

import { readInto } from "../openFile.js";
import {
  bytesPer,
  ggufError,
  LENGTH_BYTES,
  type MetadataScalar,
  type NumberType,
  readNumber,
  type ScalarType,
} from "./types.js";

/** Far more than any real header (a vocabulary of 256 000 tokens takes about 10 MB), and far less than memory. */
const MAX_HEADER_BYTES = 2 ** 28;
const CHUNK_BYTES = 2 ** 20;

/** Reads a file's header from the start. It keeps the bytes, so that long lists can be decoded later, when they are needed. */
export class HeaderReader {
  #bytes = Buffer.alloc(0);
  #position = 0;

  constructor(
    readonly path: string,
    readonly descriptor: number,
    private readonly fileBytes: number,
  ) {}

  get position(): number {
    return this.#position;
  }

  /** All bytes before the position. */
  get passed(): Uint8Array {
    return this.#bytes.subarray(0, this.#position);
  }

  /** A reader of the same bytes at another position. */
  at(position: number): HeaderReader {
    const other = new HeaderReader(this.path, this.descriptor, this.fileBytes);
    other.#bytes = this.#bytes;
    other.#position = position;
    return other;
  }

  /** Reads a number or boolean. */
  number(type: NumberType): number | bigint | boolean {
    const at = this.skip(bytesPer(type));
    const value = readNumber(type, this.#bytes, at);
    if (type === "bool") return this.#truth(value);
    return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  uint32(): number {
    return this.number("uint32") as number;
  }

  /** Reads a count of items of at least `leastBytes` bytes each, and checks that the file can hold them. */
  count(what: string, leastBytes: number): number {
    const count = this.number("uint64");
    if (typeof count === "number" && count * leastBytes <= this.fileBytes - this.#position) return count;
    throw ggufError(
      this.path,
      `damaged or truncated: it should have ${count} ${what} from byte ${this.#position} on, but has ${this.fileBytes} bytes in all; fetch or copy the file again.`,
    );
  }

  string(): string {
    const length = this.count("bytes of text", 1);
    const start = this.skip(length);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
        this.#bytes.subarray(start, start + length),
      );
    } catch (cause) {
      throw ggufError(this.path, `the text at byte ${start} is not valid UTF-8.`, { cause });
    }
  }

  scalar(type: ScalarType): MetadataScalar {
    return type === "string" ? this.string() : this.number(type);
  }

  /** Skips `count` values of a type. */
  skipScalars(type: ScalarType, count: number): void {
    if (type !== "string") this.skip(count * bytesPer(type));
    else for (let i = 0; i < count; i++) this.skip(this.count("bytes of text", 1));
  }

  /** Skips bytes. @returns the position of the first one */
  skip(length: number): number {
    const start = this.#position;
    this.#require(start + length);
    this.#position = start + length;
    return start;
  }

  #require(end: number): void {
    if (end <= this.#bytes.length) return;
    if (end > this.fileBytes) {
      throw ggufError(
        this.path,
        `truncated: the header continues past the end of the file at byte ${this.fileBytes}; fetch or copy the file again.`,
      );
    }
    if (end > MAX_HEADER_BYTES) {
      throw ggufError(this.path, `damaged: its header has more than ${MAX_HEADER_BYTES} bytes.`);
    }
    const wanted = Math.min(this.fileBytes, Math.max(end, 2 * this.#bytes.length, CHUNK_BYTES));
    const bytes = Buffer.alloc(wanted);
    this.#bytes.copy(bytes);
    readInto(this, bytes.subarray(this.#bytes.length), this.#bytes.length, ggufError);
    this.#bytes = bytes;
  }

  #truth(byte: number | bigint): boolean {
    if (byte <= 1) return byte === 1;
    throw ggufError(this.path, `damaged: a boolean before byte ${this.#position} is ${byte}; expected 0 or 1.`);
  }
}

/** The smallest size of a value of this type. */
export const leastBytes = (type: ScalarType): number => (type === "string" ? LENGTH_BYTES : bytesPer(type));

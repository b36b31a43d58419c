import { closeSync, fstatSync } from "node:fs";
import { openToRead, readInto } from "../fileBytes.js";
import { ggufError } from "./error.js";
import { type GgufHeader, type GgufTensorInfo, readHeader } from "./header.js";
import { HeaderReader } from "./headerReader.js";
import type { GgufMetadata } from "./metadata.js";

/** An open GGUF file: the header is in memory, each tensor is read from disk when it is asked for. */
export class GgufFile {
  #descriptor: number | undefined;

  constructor(
    readonly path: string,
    descriptor: number,
    private readonly header: GgufHeader,
    /** The header's own bytes. */
    readonly headerBytes: Uint8Array,
  ) {
    this.#descriptor = descriptor;
  }

  get metadata(): GgufMetadata {
    return this.header.metadata;
  }

  /** By name, in the order of the header. */
  get tensors(): ReadonlyMap<string, GgufTensorInfo> {
    return this.header.tensors;
  }

  /** @throws BidoraError `GGUF` for a name that the file lacks */
  info(name: string): GgufTensorInfo {
    const info = this.header.tensors.get(name);
    if (!info) throw ggufError(this.path, `there is no tensor '${name}' in it.`);
    return info;
  }

  /** A tensor's bytes as they lie in the file, in memory of their own. */
  readBytes(name: string): Uint8Array<ArrayBuffer> {
    const { begin, byteLength } = this.info(name);
    const descriptor = this.#descriptor;
    if (descriptor === undefined) throw ggufError(this.path, "it has been closed.");
    const bytes = new Uint8Array(byteLength);
    readInto({ path: this.path, descriptor }, bytes, begin, ggufError);
    return bytes;
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

/**
 * Opens a GGUF file (versions 2 and 3, little-endian) and checks its header; no tensor is read yet.
 * @throws BidoraError `GGUF` naming the file and what is wrong with it
 */
export function openGguf(path: string): GgufFile {
  const descriptor = openToRead(path, ggufError);
  try {
    const found = fstatSync(descriptor);
    if (!found.isFile()) throw ggufError(path, "it is not a file.");
    const fileBytes = found.size;
    const reader = new HeaderReader(path, descriptor, fileBytes);
    const header = readHeader(reader, fileBytes);
    return new GgufFile(path, descriptor, header, reader.passed);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

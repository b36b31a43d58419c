import { closeSync, fstatSync, openSync } from "node:fs";
import { refuseSpecialFile } from "../../common/inputFile.js";
import { ggufError } from "./error.js";
import { type GgufHeader, type GgufTensorInfo, readHeader } from "./header.js";
import { HeaderReader, readInto } from "./headerReader.js";
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
    if (this.#descriptor === undefined) throw ggufError(this.path, "it has been closed.");
    const bytes = new Uint8Array(byteLength);
    readInto(this.path, this.#descriptor, bytes, begin);
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
  const descriptor = open(path);
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

function open(path: string): number {
  refuseSpecialFile(path);
  try {
    return openSync(path, "r");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw ggufError(path, code === "ENOENT" ? "there is no such file." : `cannot be opened: ${message}.`, {
      cause: error,
    });
  }
}

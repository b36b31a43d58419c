// Reads and writes safetensors files.

import { closeSync, fstatSync } from "node:fs";
import { type OpenedFile, openToRead, readInto, requireUnchanged } from "../../base/index.js";
import { writeAll, writeAtomic } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import {
  headerLength,
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
  parseHeader,
  rankOf,
  type SafetensorsDtype,
  type SafetensorsHeader,
  safetensorsDtype,
  safetensorsError,
  type TensorInfo,
  torchDtype,
} from "./safetensorsHeader.js";

/** An open safetensors file: the header is in memory, and tensors are read from disk on demand. */
export interface SafetensorsFile {
  readonly path: string;
  /** In the order of the data. */
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  has(name: string): boolean;
  /** @throws BidoraError `SAFETENSORS` if the file has no such tensor (as do the readers) */
  info(name: string): TensorInfo;
  /** A copy of the tensor's bytes (little-endian, row-major). */
  readBytes(name: string): Uint8Array;
  /** See `Weights`. @throws BidoraError `SAFETENSORS` for a dtype without PyTorch equivalent */
  readTensor(name: string, mayMap?: boolean): torch.Tensor;
  close(): void;
}

/**
 * Opens a safetensors file and checks its header; no tensor is read yet.
 * @throws BidoraError `SAFETENSORS` naming the file and what is wrong with it
 */
export function openSafetensors(path: string): SafetensorsFile {
  const descriptor = openToRead(path, safetensorsError);
  try {
    const { size: fileBytes, mtimeMs } = fstatSync(descriptor);
    const file = { path, descriptor };
    const length = headerLength(path, read(file, 0, Math.min(LENGTH_BYTES, fileBytes)), fileBytes);
    const dataStart = LENGTH_BYTES + length;
    const header = parseHeader(path, read(file, LENGTH_BYTES, length), fileBytes - dataStart);
    return new OpenFile(path, descriptor, { header, dataStart, mtimeMs });
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

interface OpenedFacts {
  readonly header: SafetensorsHeader;
  readonly dataStart: number;
  /** The time of its last change when it was opened. */
  readonly mtimeMs: number;
}

class OpenFile implements SafetensorsFile {
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  private readonly header: SafetensorsHeader;
  private readonly dataStart: number;
  private readonly mtimeMs: number;
  private descriptor: number | undefined;

  constructor(
    readonly path: string,
    descriptor: number,
    { header, dataStart, mtimeMs }: OpenedFacts,
  ) {
    this.descriptor = descriptor;
    this.header = header;
    this.dataStart = dataStart;
    this.mtimeMs = mtimeMs;
    this.names = [...header.tensors.keys()];
    this.metadata = header.metadata;
  }

  has(name: string): boolean {
    return this.header.tensors.has(name);
  }

  info(name: string): TensorInfo {
    const info = this.header.tensors.get(name);
    if (!info) throw safetensorsError(this.path, `there is no tensor '${name}' in it.`);
    return info;
  }

  readBytes(name: string): Uint8Array {
    const { begin, end } = this.info(name);
    return this.unchanged(read(this.opened(), this.dataStart + begin, end - begin));
  }

  /** Maps a tensor that is large and aligned, if it may, or reads directly into the tensor's memory, without a second copy. */
  readTensor(name: string, mayMap = false): torch.Tensor {
    const { dtype, shape, begin } = this.info(name);
    const wanted = torchDtype(dtype);
    if (wanted === undefined) {
      throw safetensorsError(
        this.path,
        `tensor '${name}' has dtype ${dtype}, which is not supported; convert it to F32 or BF16 first.`,
      );
    }
    const [file, position] = [this.opened(), this.dataStart + begin];
    return this.unchanged(
      mayMap
        ? torch.mapOrReadFile(file, position, shape, wanted)
        : torch.readFile(file.descriptor, position, shape, wanted),
    );
  }

  /** What was read, unless another program has written to the file since it was opened: parts of two files make no model. */
  private unchanged<T>(value: T): T {
    requireUnchanged(this.opened(), this.mtimeMs, safetensorsError);
    return value;
  }

  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    this.descriptor = undefined;
  }

  private opened(): OpenedFile {
    const { path, descriptor } = this;
    if (descriptor === undefined) throw safetensorsError(path, "it has been closed.");
    return { path, descriptor };
  }
}

function read(file: OpenedFile, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  readInto(file, bytes, position, safetensorsError);
  return bytes;
}

/** A tensor to write; `write` is called once to put its bytes (little-endian, row-major) into the open file. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly byteLength: number;
  write(descriptor: number, position: number): void;
}

/**
 * Saves named tensors, with the same bytes as the reference writer. The file appears at `path` when it is complete.
 * @param metadata strings by key, written in the order given (PEFT and transformers expect `{ format: "pt" }`)
 */
export function saveSafetensors(
  path: string,
  tensors: Iterable<readonly [string, torch.Tensor]>,
  metadata?: Readonly<Record<string, string>>,
): void {
  writeSafetensors(
    path,
    Array.from(tensors, ([name, tensor]) => tensorEntry(name, tensor)),
    metadata,
  );
}

/**
 * As `saveSafetensors`, but takes entries, whose data need not be in tensors.
 * @throws BidoraError `SAFETENSORS` for a duplicate or reserved name
 */
export function writeSafetensors(
  path: string,
  entries: Iterable<TensorEntry>,
  metadata?: Readonly<Record<string, string>>,
): void {
  const sorted = [...entries].sort((a, b) => rankOf(a.dtype) - rankOf(b.dtype) || compareNames(a.name, b.name));
  checkNames(path, sorted);
  const header = headerBytes(path, sorted, metadata);
  writeAtomic(path, (descriptor) => {
    writeAll(descriptor, header, 0);
    let position = header.length;
    for (const entry of sorted) {
      entry.write(descriptor, position);
      position += entry.byteLength;
    }
  });
}

function tensorEntry(name: string, tensor: torch.Tensor): TensorEntry {
  return {
    name,
    dtype: safetensorsDtype(tensor.dtype),
    shape: tensor.shape,
    byteLength: tensor.nbytes,
    write: (descriptor, position) => torch.writeFile(tensor, descriptor, position),
  };
}

/** The reference writer sorts names as UTF-8, which differs from JavaScript's order outside the basic multilingual plane. */
function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function checkNames(path: string, entries: readonly TensorEntry[]): void {
  const seen = new Set(["__metadata__"]);
  for (const { name } of entries) {
    if (seen.has(name)) throw safetensorsError(path, `two tensors cannot be written under the name '${name}'.`);
    seen.add(name);
  }
}

/** Assembled key by key, because an object would put integer-like names first. */
function headerBytes(
  path: string,
  entries: readonly TensorEntry[],
  metadata?: Readonly<Record<string, string>>,
): Buffer {
  const parts = metadata === undefined ? [] : [`"__metadata__":${JSON.stringify(metadata)}`];
  let position = 0;
  for (const { name, dtype, shape, byteLength } of entries) {
    const offsets = [position, position + byteLength];
    parts.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: offsets })}`);
    position += byteLength;
  }
  const json = Buffer.from(`{${parts.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES)
    throw safetensorsError(path, `its header would have ${length} bytes, the limit is ${MAX_HEADER_BYTES}.`);
  const bytes = Buffer.alloc(8 + length, " ");
  bytes.writeBigUInt64LE(BigInt(length));
  json.copy(bytes, 8);
  return bytes;
}

// Reads and writes safetensors files.

import { byCodePoint } from "../../base/index.js";
import { writeAll, writeAtomic } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import { OpenFile } from "../openFile.js";
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
export const openSafetensors = (path: string): SafetensorsFile => OpenFile.open(path, safetensorsError, readHeader);

function readHeader(file: OpenFile): SafetensorsFile {
  const { path } = file;
  const { size } = file.stats;
  const length = headerLength(path, file.bytes(0, Math.min(LENGTH_BYTES, size)), size);
  const dataStart = LENGTH_BYTES + length;
  return new OpenSafetensors(file, parseHeader(path, file.bytes(LENGTH_BYTES, length), size - dataStart), dataStart);
}

class OpenSafetensors implements SafetensorsFile {
  constructor(
    private readonly file: OpenFile,
    private readonly header: SafetensorsHeader,
    private readonly dataStart: number,
  ) {}

  get path(): string {
    return this.file.path;
  }

  get names(): readonly string[] {
    return [...this.header.tensors.keys()];
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.header.metadata;
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
    return this.file.bytes(this.dataStart + begin, end - begin);
  }

  readTensor(name: string, mayMap = false): torch.Tensor {
    const { dtype, shape, begin } = this.info(name);
    const wanted = torchDtype(dtype);
    if (wanted === undefined) {
      throw safetensorsError(
        this.path,
        `tensor '${name}' has dtype ${dtype}, which is not supported; convert it to F32 or BF16 first.`,
      );
    }
    return this.file.tensor(this.dataStart + begin, shape, wanted, mayMap);
  }

  close(): void {
    this.file.close();
  }
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
  const sorted = [...entries].sort((a, b) => rankOf(a.dtype) - rankOf(b.dtype) || byCodePoint(a.name, b.name));
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

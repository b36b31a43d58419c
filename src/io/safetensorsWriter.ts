import * as torch from "../torch/index.js";
import { writeAll, writeAtomic } from "./atomic.js";
import { rankOf, type SafetensorsDtype, safetensorsDtype } from "./safetensorsDtypes.js";
import { MAX_HEADER_BYTES, safetensorsError } from "./safetensorsHeader.js";

/** A tensor to be written; `write` puts its bytes (little-endian, row-major) into the open file, once, when its turn comes. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly byteLength: number;
  write(descriptor: number, position: number): void;
}

/**
 * Saves tensors under their names: the same bytes as the reference writer, appearing under `path` only when whole.
 * @param metadata text by key, written in the order given (PEFT and transformers expect `{ format: "pt" }`)
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
 * As `saveSafetensors`, for tensors that need not be the engine's.
 * @throws BidoraError `SAFETENSORS` for a name that occurs twice or is reserved
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

/** An entry from bytes, such as those of another file's tensor. */
export function bytesEntry(
  name: string,
  dtype: SafetensorsDtype,
  shape: readonly number[],
  bytes: Uint8Array,
): TensorEntry {
  return {
    name,
    dtype,
    shape,
    byteLength: bytes.length,
    write: (descriptor, position) => writeAll(descriptor, bytes, position),
  };
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

/** The reference compares names as UTF-8, which differs from JavaScript's order beyond the basic plane. */
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

/** Built by hand, key by key: an object would put names that look like numbers first. */
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

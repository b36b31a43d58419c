// An open GGUF file, and its header.
import { fstatSync } from "node:fs";
import { DTYPE_BYTES, type DType, type Tensor } from "../../torch/index.js";
import { OpenFile } from "../openFile.js";
import { HeaderReader, leastBytes } from "./headerReader.js";
import { GgufMetadata } from "./metadata.js";
import {
  blockOf,
  type GgmlType,
  type GgufValue,
  ggmlType,
  ggufError,
  LENGTH_BYTES,
  type MetadataScalar,
  type ScalarType,
  VALUE_TYPES,
} from "./types.js";

/** An open GGUF file: the header is in memory, and tensors are read from disk on demand. */
export class GgufFile {
  constructor(
    private readonly file: OpenFile,
    private readonly header: GgufHeader,
    /** The bytes of the header. */
    readonly headerBytes: Uint8Array,
  ) {}

  get path(): string {
    return this.file.path;
  }

  get metadata(): GgufMetadata {
    return this.header.metadata;
  }

  /** By name, in the order of the header. */
  get tensors(): ReadonlyMap<string, GgufTensorInfo> {
    return this.header.tensors;
  }

  /** @throws BidoraError `GGUF` if the file has no tensor of this name */
  info(name: string): GgufTensorInfo {
    const info = this.header.tensors.get(name);
    if (!info) throw ggufError(this.path, `there is no tensor '${name}' in it.`);
    return info;
  }

  /** A copy of a tensor's bytes as stored in the file. */
  readBytes(name: string): Uint8Array<ArrayBuffer> {
    const { begin, byteLength } = this.info(name);
    return this.file.bytes(begin, byteLength);
  }

  /** A copy of `count` elements of a tensor as stored in the file, from element `from` on: floats, or the bytes of blocks. */
  read(name: string, dtype: DType, from: number, count: number): Tensor {
    const { path, descriptor } = this.file.opened;
    const first = this.info(name).begin + from * DTYPE_BYTES[dtype];
    const end = first + count * DTYPE_BYTES[dtype];
    if (fstatSync(descriptor).size < end) throw ggufError(path, "it was truncated while being read.");
    return this.file.tensor(first, [count], dtype, false);
  }

  /** A tensor's bytes as a tensor, of the file's own pages if it is large; these are read when they are used. */
  bytesTensor(name: string): Tensor {
    const { begin, byteLength } = this.info(name);
    return this.file.tensor(begin, [byteLength], "uint8", true);
  }

  close(): void {
    this.file.close();
  }
}

/**
 * Opens a GGUF file (versions 2 and 3, little-endian) and checks its header; no tensor is read yet.
 * @throws BidoraError `GGUF` naming the file and what is wrong with it
 */
export const openGguf = (path: string): GgufFile =>
  OpenFile.open(path, ggufError, (file) => {
    if (!file.stats.isFile()) throw ggufError(path, "it is not a file.");
    const { size } = file.stats;
    const reader = new HeaderReader(path, file.opened.descriptor, size);
    const header = readHeader(reader, size);
    return new GgufFile(file, header, reader.passed);
  });

/*
 * Not @huggingface/gguf, because it reads lists of any length at once, rereads a value whenever its window ends, silently replaces
 * invalid UTF-8, and checks neither element types nor tensor offsets against the file's size.
 */

/** One tensor of a file, with ggml's element type. */
export interface GgufTensorInfo {
  readonly name: string;
  readonly type: GgmlType;
  /** In PyTorch's order, last dimension contiguous. The file stores dimensions in reverse. */
  readonly shape: readonly number[];
  /** Offset from the start of the file. */
  readonly begin: number;
  readonly byteLength: number;
}

interface GgufHeader {
  readonly metadata: GgufMetadata;
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>;
}

export const MAGIC = "GGUF";
export const VERSIONS: readonly number[] = [2, 3];
export const ALIGNMENT_KEY = "general.alignment";
export const DEFAULT_ALIGNMENT = 32;
const MAX_DIMENSIONS = 4;
/** The smallest sizes of a metadata entry and of a tensor's description. */
const LEAST_ENTRY_BYTES = LENGTH_BYTES + 4 + 1;
const LEAST_TENSOR_BYTES = LENGTH_BYTES + 4 + 4 + LENGTH_BYTES;

/**
 * Reads and checks a header: known types, whole blocks, tensors within the file that don't overlap.
 * @throws BidoraError `GGUF` naming the file and what is wrong with it
 */
function readHeader(reader: HeaderReader, fileBytes: number): GgufHeader {
  const { path } = reader;
  refuseOtherVersions(reader, fileBytes);
  const tensorCount = reader.count("tensors", LEAST_TENSOR_BYTES);
  const keyCount = reader.count("metadata entries", LEAST_ENTRY_BYTES);
  const metadata = new GgufMetadata(path, readValues(reader, keyCount));
  const infos = Array.from({ length: tensorCount }, () => readTensorInfo(reader));
  const alignment = alignmentOf(metadata);
  const dataStart = Math.ceil(reader.position / alignment) * alignment;
  const tensors = new Map<string, GgufTensorInfo>();
  for (const { offset, ...info } of infos) {
    if (tensors.has(info.name)) throw ggufError(path, `tensor '${info.name}' occurs twice.`);
    if (offset % alignment !== 0) {
      throw ggufError(path, `tensor '${info.name}' begins at ${offset}, which is not a multiple of ${alignment}.`);
    }
    tensors.set(info.name, { ...info, begin: dataStart + offset });
  }
  checkPlaces(path, [...tensors.values()], fileBytes);
  return { metadata, tensors };
}

function refuseOtherVersions(reader: HeaderReader, fileBytes: number): void {
  const { path } = reader;
  const least = MAGIC.length + 4;
  if (fileBytes < least) throw ggufError(path, `not a GGUF file: it has ${fileBytes} bytes.`);
  reader.skip(MAGIC.length);
  const magic = Buffer.from(reader.passed).toString("latin1");
  if (magic !== MAGIC) {
    throw ggufError(path, `not a GGUF file: it begins with ${JSON.stringify(magic)}; expected "${MAGIC}".`);
  }
  const version = reader.uint32();
  if (VERSIONS.includes(version)) return;
  // A version whose byte-swapped value is small means a big-endian file.
  if (version % 2 ** 16 === 0 && version !== 0) {
    throw ggufError(
      path,
      "it is a big-endian GGUF file; expected a little-endian one: convert it with gguf-convert-endian.",
    );
  }
  throw ggufError(path, `it has version ${version} of the GGUF format; supported are ${VERSIONS.join(" and ")}.`);
}

function readValues(reader: HeaderReader, count: number): ReadonlyMap<string, GgufValue> {
  const values = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) {
    const key = reader.string();
    if (values.has(key)) throw ggufError(reader.path, `its metadata have the key '${key}' twice.`);
    values.set(key, readValue(reader, key));
  }
  return values;
}

function readValue(reader: HeaderReader, key: string): GgufValue {
  const type = valueType(reader, key);
  if (type !== "array") return { type, value: reader.scalar(type) };
  const of = valueType(reader, key);
  if (of === "array") throw ggufError(reader.path, `${key} is a list of lists, which is not supported.`);
  const length = reader.count(`values in ${key}`, leastBytes(of));
  const start = reader.position;
  reader.skipScalars(of, length);
  const passed = reader.at(start);
  return lazyArray(of, () => Array.from({ length }, () => passed.scalar(of)));
}

/** Arrays such as vocabularies are long, and opening the weights does not need them. */
function lazyArray(of: ScalarType, read: () => readonly MetadataScalar[]): GgufValue {
  let values: readonly MetadataScalar[] | undefined;
  return {
    type: "array",
    of,
    get values() {
      values ??= read();
      return values;
    },
  };
}

function valueType(reader: HeaderReader, key: string): (typeof VALUE_TYPES)[number] {
  const id = reader.uint32();
  const type = VALUE_TYPES[id];
  if (type === undefined) throw ggufError(reader.path, `${key} has a value of the unknown type ${id}.`);
  return type;
}

function readTensorInfo(reader: HeaderReader): Omit<GgufTensorInfo, "begin"> & { offset: number } {
  const name = reader.string();
  const fault = (what: string) => ggufError(reader.path, `tensor '${name}' ${what}`);
  const dimensions = reader.uint32();
  if (dimensions > MAX_DIMENSIONS) throw fault(`has ${dimensions} dimensions; at most ${MAX_DIMENSIONS} are allowed.`);
  const shape = Array.from({ length: dimensions }, () => reader.number("uint64")).reverse();
  const id = reader.uint32();
  const type = ggmlType(id);
  if (type === undefined) throw fault(`has the unknown type ${id}.`);
  const offset = reader.number("uint64");
  if (typeof offset !== "number") throw fault(`begins at ${offset}, beyond any file.`);
  return { name, type, shape: shape as number[], offset, byteLength: byteLengthOf(type, shape, fault) };
}

function byteLengthOf(type: GgmlType, shape: readonly unknown[], fault: (what: string) => Error): number {
  const { elements, bytes } = blockOf(type);
  let count = 1;
  for (const size of shape) {
    count *= Number(size);
    if (typeof size !== "number" || !Number.isSafeInteger(count * bytes)) throw fault("has a size beyond any file.");
  }
  const row = (shape.at(-1) ?? 1) as number;
  if (row % elements !== 0)
    throw fault(`has rows of ${row} elements, which do not fill ${type}'s blocks of ${elements}.`);
  return (count / elements) * bytes;
}

function alignmentOf(metadata: GgufMetadata): number {
  const alignment = metadata.count(ALIGNMENT_KEY) ?? DEFAULT_ALIGNMENT;
  if (alignment > 0 && alignment <= 2 ** 20 && Number.isInteger(Math.log2(alignment))) return alignment;
  throw ggufError(metadata.path, `${ALIGNMENT_KEY} is ${alignment}; expected a power of two.`);
}

function checkPlaces(path: string, tensors: readonly GgufTensorInfo[], fileBytes: number): void {
  let [position, before] = [0, ""];
  for (const { name, begin, byteLength } of tensors.toSorted(
    (a, b) => a.begin - b.begin || a.byteLength - b.byteLength,
  )) {
    if (begin < position) throw ggufError(path, `damaged: tensor '${name}' overlaps '${before}'.`);
    [position, before] = [begin + byteLength, name];
  }
  if (position > fileBytes) {
    throw ggufError(
      path,
      `truncated: tensor '${before}' ends at byte ${position}, but the file has ${fileBytes}; fetch or copy the file again.`,
    );
  }
}

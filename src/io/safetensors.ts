import { closeSync, fstatSync } from "node:fs";
import * as torch from "../torch/index.js";
import { openToRead, readInto } from "./fileBytes.js";
import { torchDtype } from "./safetensorsDtypes.js";
import {
  headerLength,
  LENGTH_BYTES,
  parseHeader,
  type SafetensorsHeader,
  safetensorsError,
  type TensorInfo,
} from "./safetensorsHeader.js";

/** An open safetensors file: the header is in memory, each tensor is read from disk when it is asked for. */
export interface SafetensorsFile {
  readonly path: string;
  /** In the order of their bytes. */
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  has(name: string): boolean;
  /** @throws BidoraError `SAFETENSORS` for a name that the file lacks (as do the readers) */
  info(name: string): TensorInfo;
  /** The tensor's bytes (little-endian, row-major), in memory of their own. */
  readBytes(name: string): Uint8Array;
  /** @throws BidoraError `SAFETENSORS` for a dtype that cannot be computed with */
  readTensor(name: string): torch.Tensor;
  close(): void;
}

/**
 * Opens a safetensors file and checks its header; no tensor is read yet.
 * @throws BidoraError `SAFETENSORS` naming the file and what is wrong with it
 */
export function openSafetensors(path: string): SafetensorsFile {
  const descriptor = openToRead(path, safetensorsError);
  try {
    const fileBytes = fstatSync(descriptor).size;
    const first = read(path, descriptor, 0, Math.min(LENGTH_BYTES, fileBytes));
    const length = headerLength(path, first, fileBytes);
    const dataStart = LENGTH_BYTES + length;
    const header = parseHeader(path, read(path, descriptor, LENGTH_BYTES, length), fileBytes - dataStart);
    return new OpenFile(path, descriptor, header, dataStart);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

class OpenFile implements SafetensorsFile {
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  private descriptor: number | undefined;

  constructor(
    readonly path: string,
    descriptor: number,
    private readonly header: SafetensorsHeader,
    private readonly dataStart: number,
  ) {
    this.descriptor = descriptor;
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
    return read(this.path, this.opened(), this.dataStart + begin, end - begin);
  }

  /** Straight into the tensor's own memory: there is never a second copy. */
  readTensor(name: string): torch.Tensor {
    const { dtype, shape, begin } = this.info(name);
    const wanted = torchDtype(dtype);
    if (wanted === undefined) {
      throw safetensorsError(
        this.path,
        `tensor '${name}' has dtype ${dtype}, which cannot be computed with; convert it to F32 or BF16 first.`,
      );
    }
    return torch.readFile(this.opened(), this.dataStart + begin, shape, wanted);
  }

  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    this.descriptor = undefined;
  }

  private opened(): number {
    if (this.descriptor === undefined) throw safetensorsError(this.path, "it has been closed.");
    return this.descriptor;
  }
}

function read(path: string, descriptor: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  readInto({ path, descriptor }, bytes, position, safetensorsError);
  return bytes;
}

// Reads the weights of a GGUF file as transformers' parameters.

import * as torch from "../../torch/index.js";
import { type SafetensorsDtype, type TensorInfo, torchDtype } from "../safetensors/safetensorsHeader.js";
import type { PackedTensor } from "../weights.js";
import {
  type GgufArchitecture,
  ggufArchitectureOf,
  type HeadCounts,
  headsOf,
  parameterNames,
  separateHalves,
} from "./architectures.js";
import { decoded, elementDtype, isReadable, READABLE_TYPES, type ReadableType, storedCount } from "./elements.js";
import { type GgufFile, type GgufTensorInfo, openGguf } from "./file.js";
import { ArchitectureKeys } from "./metadata.js";
import { rerankerArchitecture, rerankerNames } from "./rerankers.js";
import { blockOf, type GgmlType, ggufError } from "./types.js";

/** Rows and values as transformers has them. */
const PLAIN = { interleavesHeads: false, addsOneToNorms: false };

/** Number of elements decoded at a time, to bound the memory needed besides the tensor. */
const ELEMENTS_AT_ONCE = 2 ** 19;

/** The tensors of a GGUF file with the names, row order and values that they have in transformers. */
class GgufWeights {
  readonly #architecture: Pick<GgufArchitecture, "interleavesHeads" | "addsOneToNorms">;
  readonly #names: ReadonlyMap<string, string>;
  readonly #heads: HeadCounts;

  constructor(private readonly file: GgufFile) {
    const { metadata } = file;
    const reranker = rerankerArchitecture(file);
    if (reranker) {
      this.#architecture = PLAIN;
      this.#names = rerankerNames(file, reranker);
      this.#heads = { attn_q: 1, attn_k: 1 };
      return;
    }
    const { name, ...architecture } = ggufArchitectureOf(metadata);
    this.#architecture = architecture;
    const read = new ArchitectureKeys(metadata, name);
    this.#names = parameterNames(file.path, architecture, file.tensors.keys(), read.count("block_count"));
    const queries = read.count("attention.head_count");
    this.#heads = { attn_q: queries, attn_k: read.optionalCount("attention.head_count_kv") ?? queries };
  }

  get path(): string {
    return this.file.path;
  }

  get names(): readonly string[] {
    return [...this.#names.keys()];
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Dtype and shape as returned by `readTensor`; the offsets are those in the file. */
  info(name: string): TensorInfo {
    const { name: fileName, type, shape, begin, byteLength } = this.#info(name);
    const dtype = this.#dtypeOf(name, type);
    const place = { begin, end: begin + byteLength };
    return { name, fileName, dtype, shape, ...place, ...(dtype !== type && { storedAs: type }) };
  }

  readBytes(name: string): Uint8Array {
    return torch.scope(() => this.readTensor(name).bytes());
  }

  readTensor(name: string, _mayMap = false, wanted?: torch.DType): torch.Tensor {
    const info = this.#info(name);
    const dtype = torchDtype(this.#dtypeOf(name, info.type))!;
    return torch.noGrad(() =>
      torch.scope(() => {
        const tensor = this.#read(info, this.#isShifted(name) ? dtype : (wanted ?? dtype));
        return this.#isShifted(name) ? torch.subScalar(tensor, 1) : tensor;
      }),
    );
  }

  /** A tensor of quantized blocks, with rows in transformers' order. Large ones with rows in this order in the file are mapped. */
  packed(name: string): PackedTensor | undefined {
    const info = this.#info(name);
    if (blockOf(info.type).elements === 1 || info.shape.length !== 2) return undefined;
    const read = () => {
      if (this.#order(info) === undefined) return this.file.bytesTensor(info.name);
      return torch.scope(() => this.#storedBy(info)(0, info.byteLength));
    };
    return { format: info.type.toLowerCase(), block: [], read: () => [read()] };
  }

  close(): void {
    this.file.close();
  }

  #info(name: string): GgufTensorInfo {
    const tensor = this.#names.get(name);
    if (tensor === undefined) throw ggufError(this.file.path, `it has no tensor for '${name}'.`);
    return this.file.info(tensor);
  }

  #dtypeOf(name: string, type: GgmlType): SafetensorsDtype {
    if (!isReadable(type)) {
      throw ggufError(
        this.file.path,
        `tensor '${this.#names.get(name)}' has type ${type}, which is not supported; supported are ${READABLE_TYPES.join(", ")}.`,
      );
    }
    return (type === "F16" || type === "BF16") && !this.#isShifted(name) ? type : "F32";
  }

  #isShifted(name: string): boolean {
    return this.#architecture.addsOneToNorms && name.endsWith("norm.weight");
  }

  /** The heads whose rows are in another order than in transformers, if they are. */
  #order({ name }: GgufTensorInfo): number | undefined {
    return headsOf(this.#architecture, name, this.#heads);
  }

  /** A tensor's values, decoded piece by piece: only a piece is in memory besides them. */
  #read(info: GgufTensorInfo, dtype: torch.DType): torch.Tensor {
    const type = info.type as ReadableType;
    const stored = this.#storedBy(info);
    const all = torch.numelOf(info.shape);
    if (dtype === elementDtype(type)) return torch.reshape(stored(0, all), info.shape);
    const values = torch.empty([all], { dtype });
    for (let at = 0; at < all; at += ELEMENTS_AT_ONCE)
      torch.scope(() => {
        const count = Math.min(ELEMENTS_AT_ONCE, all - at);
        const piece = stored(storedCount(type, at), storedCount(type, count));
        torch.copy_(torch.narrow(values, 0, at, count), torch.reshape(decoded(type, piece), [count]));
      });
    return torch.reshape(values, info.shape);
  }

  /**
   * Reads elements of a tensor as they are stored, in transformers' order. Where the file has another order of rows, the tensor is read as a
   * whole, at once: rows are whole blocks, so that they can be moved before they are decoded.
   */
  #storedBy(info: GgufTensorInfo): (from: number, count: number) => torch.Tensor {
    const { name, shape } = info;
    const dtype = elementDtype(info.type as ReadableType);
    const heads = this.#order(info);
    if (heads === undefined) return (from, count) => this.file.read(name, dtype, from, count);
    const [rows] = shape as [number];
    if (rows % (2 * heads) !== 0)
      throw ggufError(
        this.file.path,
        `tensor '${name}' has ${rows} rows, which can't be divided among ${heads} heads.`,
      );
    const stored = this.file.read(name, dtype, 0, info.byteLength / torch.DTYPE_BYTES[dtype]);
    const ordered = torch.reshape(separateHalves(torch.reshape(stored, [rows, -1]), heads), [-1]);
    return (from, count) => torch.narrow(ordered, 0, from, count);
  }
}

export function openGgufWeights(path: string): GgufWeights {
  const file = openGguf(path);
  try {
    return new GgufWeights(file);
  } catch (error) {
    file.close();
    throw error;
  }
}

// Reads the weights of a GGUF file as transformers' parameters.

import { blockOf, type GgmlType } from "../../files/ggmlTypes.js";
import * as torch from "../../torch/index.js";
import type { PackedTensor } from "../packedTensor.js";
import type { SafetensorsDtype, TensorInfo } from "../safetensorsHeader.js";
import {
  architectureOf,
  type GgufArchitecture,
  type HeadCounts,
  headsOf,
  parameterNames,
  separateHalves,
} from "./architectures.js";
import { dequantize, isReadable, READABLE_TYPES, type ReadableType } from "./dequantize.js";
import { type GgufFile, type GgufTensorInfo, openGguf } from "./file.js";
import { ArchitectureKeys } from "./metadata.js";
import { ggufError } from "./types.js";

/** Number of elements dequantized at a time, to bound the memory needed besides the tensor. */
const ELEMENTS_AT_ONCE = 2 ** 22;

/** The tensors of a GGUF file with the names, row order and values that they have in transformers. */
class GgufWeights {
  readonly #architecture: GgufArchitecture;
  readonly #names: ReadonlyMap<string, string>;
  readonly #heads: HeadCounts;

  constructor(private readonly file: GgufFile) {
    const { metadata } = file;
    const { name, ...architecture } = architectureOf(metadata);
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
    const { type, shape, begin, byteLength } = this.#info(name);
    const dtype = this.#dtypeOf(name, type);
    const place = { begin, end: begin + byteLength };
    return { name, dtype, shape, ...place, ...(dtype !== type && { storedAs: type }) };
  }

  readBytes(name: string): Uint8Array {
    return torch.scope(() => this.readTensor(name).bytes());
  }

  readTensor(name: string): torch.Tensor {
    const info = this.#info(name);
    const { type, shape } = info;
    const dtype = this.#dtypeOf(name, type);
    const bytes = this.#bytesOf(info);
    if (dtype !== "F32") return torch.fromBytes(bytes, shape, dtype === "F16" ? "float16" : "bfloat16");
    const tensor = torch.empty(shape, { dtype: "float32" });
    torch.noGrad(() => fill(tensor, type as ReadableType, bytes));
    return this.#isShifted(name) ? torch.scope(() => torch.keep(torch.subScalar(tensor, 1))) : tensor;
  }

  /** A tensor of quantized blocks, with rows in transformers' order. Large ones with rows in this order in the file are mapped. */
  packed(name: string): PackedTensor | undefined {
    const info = this.#info(name);
    if (blockOf(info.type).elements === 1 || info.shape.length !== 2) return undefined;
    const read = () => {
      if (this.#order(info) === undefined) return this.file.bytesTensor(info.name);
      const bytes = this.#bytesOf(info);
      return torch.fromBytes(bytes, [bytes.length], "uint8");
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

  /** A tensor's bytes with rows in transformers' order. Rows are whole blocks, so they can be moved before dequantizing. */
  #bytesOf(info: GgufTensorInfo): Uint8Array {
    const { name, shape } = info;
    const bytes = this.file.readBytes(name);
    const heads = this.#order(info);
    if (heads === undefined) return bytes;
    const [rows] = shape as [number];
    if (rows % (2 * heads) === 0) return separateHalves(bytes, rows, heads);
    throw ggufError(this.file.path, `tensor '${name}' has ${rows} rows, which can't be divided among ${heads} heads.`);
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

function fill(tensor: torch.Tensor, type: ReadableType, bytes: Uint8Array): void {
  const { elements, bytes: blockBytes } = blockOf(type);
  const step = (ELEMENTS_AT_ONCE / elements) * blockBytes;
  torch.scope(() => {
    const flat = torch.reshape(tensor, [-1]);
    for (let at = 0, done = 0; at < bytes.length; at += step) {
      const values = dequantize(type, bytes.subarray(at, at + step));
      torch.scope(() => torch.copy_(torch.narrow(flat, 0, done, values.length), torch.tensor(values)));
      done += values.length;
    }
  });
}

// The tensors of a model folder, and matrices among them that are stored in a quantization format.
import * as torch from "../torch/index.js";
import type { TensorInfo } from "./safetensors/safetensorsHeader.js";

/** What says which shape a tensor has in the model. */
export const shapeSourceOf = ({ fileName }: Pick<TensorInfo, "fileName">): string =>
  fileName === undefined ? "config.json" : "the file's header";

/** Why a tensor does not fit, after its name. @param wanted the shape of the model's parameter */
export const misshapen = (info: Pick<TensorInfo, "shape" | "fileName">, wanted: readonly number[]): string =>
  `has shape [${info.shape.join(", ")}], but ${shapeSourceOf(info)} requires [${wanted.join(", ")}]`;

/** The tensors of a model folder, in one file or in shards; each is read from disk on demand. */
export interface Weights {
  /** Paths of the files. */
  readonly files: readonly string[];
  readonly names: readonly string[];
  /** Whether there is a tensor of this name. */
  has(name: string): boolean;
  /** A tensor's description in the header. @throws BidoraError `WEIGHTS` if there is no such tensor */
  info(name: string): TensorInfo;
  /** A tensor's bytes, in its stored dtype. */
  readBytes(name: string): Uint8Array;
  /**
   * A tensor, in its stored dtype.
   * @param mayMap whether its memory may be the file's own pages, as `mapOrReadFile` makes it. What is written to the tensor does not
   *   get into the file.
   * @param wanted the dtype that it is for: where values are decoded piece by piece, the tensor is of this dtype at once
   */
  readTensor(name: string, mayMap?: boolean, wanted?: torch.DType): torch.Tensor;
  /** A tensor that is stored in a quantization format; else undefined. */
  packed(name: string): PackedTensor | undefined;
  /** Closes the files. */
  close(): void;
}

/** A matrix [out, in] that a file has in a quantization format, also where other matrices of the model are stored transposed. */
export interface PackedTensor {
  /** The format, by the name that `torch.packedWeight` takes. */
  readonly format: string;
  /** Its block sizes. */
  readonly block: readonly number[];
  /** The tensors that `torch.packedWeight` takes; those of ggml's blocks are the file's own pages, which are read when they are used. */
  read(): readonly torch.Tensor[];
}

/** Packs a matrix. @param values [out, in] float32 @returns what `torch.packedWeight` takes */
export function packedParts(values: torch.Tensor, format: string, block: readonly number[]): readonly torch.Tensor[] {
  const isBytes = format === "int8" || format === "w8a8";
  const parts = torch.quantizeWeight(values, isBytes ? "int8" : format, block[0] ?? 0);
  if (!isBytes) return parts;
  const [codes, largest] = parts as [torch.Tensor, torch.Tensor];
  return [codes, int8Scales(largest)];
}

/** The scales of int8 rows from their largest magnitudes, as bitsandbytes computes them where it trains. */
export const int8Scales = (largest: torch.Tensor): torch.Tensor => torch.mulScalar(largest, 1 / 127);

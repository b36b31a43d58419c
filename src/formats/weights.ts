import type { DType, Tensor } from "../torch/index.js";
import type { PackedTensor } from "./packedTensor.js";
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
  readTensor(name: string, mayMap?: boolean, wanted?: DType): Tensor;
  /** A tensor that is stored in a quantization format; else undefined. */
  packed(name: string): PackedTensor | undefined;
  /** Closes the files. */
  close(): void;
}

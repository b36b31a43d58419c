import type { Tensor } from "../torch/index.js";
import type { PackedTensor } from "./packedTensor.js";
import type { TensorInfo } from "./safetensorsHeader.js";

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
   */
  readTensor(name: string, mayMap?: boolean): Tensor;
  /** A tensor that is stored in a quantization format; else undefined. */
  packed(name: string): PackedTensor | undefined;
  /** Closes the files. */
  close(): void;
}

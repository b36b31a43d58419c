import type { Tensor } from "../torch/index.js";

/** A matrix [out, in] that a file has in a quantization format, also where other matrices of the model are stored transposed. */
export interface PackedTensor {
  /** The format, by the name that `torch.packedWeight` takes. */
  readonly format: string;
  /** Its block sizes. */
  readonly block: readonly number[];
  /** The tensors that `torch.packedWeight` takes; those of ggml's blocks are the file's own pages, which are read when they are used. */
  read(): readonly Tensor[];
}

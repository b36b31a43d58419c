/** How a model is written as GGUF. */
import { BidoraError } from "../../../base/index.js";
import type { JsonObject } from "../../../base/records/index.js";
import type { GgufPair } from "../../../formats/gguf/index.js";
import type { ModelConfig } from "../../../models/index.js";
import type * as torch from "../../../torch/index.js";

/** How a model's parameters become tensors of a file. */
export interface TensorForm {
  /** `general.architecture`: llama.cpp's name for the family. */
  readonly name: string;
  /** The name of the tensor for a parameter's path; undefined if the file has none. */
  nameOf(path: string): string | undefined;
  /** Returns values in the row order and form of files. */
  laidOut(values: torch.Tensor, tensor: string): torch.Tensor;
  /** The rows that are written, if not all are. */
  rowsOf?(tensor: string): RowRange | undefined;
  /** Whether a matrix stays in float32 with every data type. */
  isFloat32?(tensor: string): boolean;
}

export interface RowRange {
  readonly start: number;
  readonly length: number;
}

/** A model's configuration and parameters in GGUF's terms. */
export interface Form extends TensorForm {
  /** The context length: the most tokens of a text. */
  readonly context: number;
  readonly pairs: readonly GgufPair[];
  /** The divisors of RoPE's frequencies, if llama.cpp reads them from a tensor. */
  readonly factors?: readonly number[];
  /** A sentence about settings that the file can't express. */
  readonly note?: string;
}

/** A model folder that can be written. */
export interface Writable {
  readonly json: JsonObject;
  readonly config: ModelConfig;
  /** Whether it is written only for embeddings of texts, or as a reranker. */
  readonly isEncoder: boolean;
  /** Whether llama.cpp has the family's head for pairs of texts. */
  readonly ranks: boolean;
  /**
   * @param limit the most tokens of a text to embed or of a pair; undefined for a language model
   * @throws BidoraError `EXPORT` for a model that llama.cpp would compute differently
   */
  form(limit: number | undefined): Form;
}

/** An error for a model that llama.cpp would compute differently or not at all. */
export const exportError = (what: string): BidoraError =>
  new BidoraError("EXPORT", `The model can't be written as GGUF: ${what}`);

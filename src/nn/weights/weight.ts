import type * as torch from "../../torch/index.js";

/**
 * A parameter's values, however they are held. What computes with a matrix asks for what it needs of it, and never keeps all values:
 * a weight may have to decode them for each use.
 */
export interface Weight {
  readonly shape: readonly number[];
  /** The dtype that the values have, whatever they are held in. */
  readonly dtype: torch.DType;
  readonly device: string;
  /** Bytes of memory that the values take. */
  readonly bytes: number;
  /** Whether the values are a tensor. Only such a weight can be trained. */
  readonly isDense: boolean;

  /** The tensor of a dense weight. @throws BidoraError `QUANTIZED` for another one */
  readonly tensor: torch.Tensor;

  /** All values in `dtype`, by default the weight's own: its tensor where it has one of that dtype, else a copy. No gradient flows. */
  dense(dtype?: torch.DType): torch.Tensor;

  /**
   * Calls operators with all values in `dtype`, by default the weight's own. Gradients flow to the operators' other operands. Decoded
   * values live as long as `body` runs; the backward pass decodes them again, and repeats `body`'s operator calls.
   */
  use<T extends torch.Tensor | readonly torch.Tensor[]>(body: (values: torch.Tensor) => T, dtype?: torch.DType): T;

  /**
   * Rows of a table.
   * @param ids [n] integers
   * @param padding a row that gets no gradient
   * @returns [n, any], in the weight's dtype
   */
  rows(ids: torch.Tensor, padding?: number): torch.Tensor;

  /** Releases the memory. */
  dispose(): void;
}

import type * as torch from "../../../torch/index.js";

/**
 * A parameter's values, in any representation. Code that computes with a weight must not keep its dense values, since a weight may have
 * to decode them for each use.
 */
export interface Weight {
  readonly shape: readonly number[];
  /** The dtype of the values, independent of their representation. */
  readonly dtype: torch.DType;
  readonly device: string;
  /** The memory of the values in bytes. */
  readonly bytes: number;
  /** Whether the values are a plain tensor. Only such a weight can be trained. */
  readonly isDense: boolean;

  /** The tensor of a dense weight. @throws BidoraError `QUANTIZED` for other weights */
  readonly tensor: torch.Tensor;

  /** All values in `dtype`, by default the weight's: its tensor if it has that dtype, otherwise a copy. Without gradients. */
  dense(dtype?: torch.DType): torch.Tensor;

  /** What our operators take in this dtype for as long as the weight lives, if there is such a tensor. */
  operand(dtype: torch.DType): torch.Tensor | undefined;

  /**
   * Calls `body` with all values in `dtype`, by default the weight's. Gradients flow to the other operands of `body`'s operators. Decoded
   * values live only while `body` runs; the backward pass decodes them again and repeats `body`'s operator calls.
   */
  use<T extends torch.Tensor | readonly torch.Tensor[]>(body: (values: torch.Tensor) => T, dtype?: torch.DType): T;

  /**
   * Looks up rows.
   * @param ids [n] integers
   * @param padding the row that gets no gradient
   * @returns [n, any], in the weight's dtype
   */
  rows(ids: torch.Tensor, padding?: number): torch.Tensor;

  /** Releases the memory. */
  dispose(): void;
}

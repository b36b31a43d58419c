import type { Tensor } from "../index.js";

/** Tensors of other processes that a pass reads beside this process's: each process knows only the tangent of its own. */
export interface Exchange {
  readonly own: Tensor;
  readonly others: readonly Tensor[];
  /**
   * The tangents of `others`, in exchange for that of `own`.
   * @param own undefined for zero
   */
  tangents(own: Tensor | undefined): readonly Tensor[];
}

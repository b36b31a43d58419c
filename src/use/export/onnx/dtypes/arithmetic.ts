/** What a dtype does to the numbers of a model, so that our own model can compute what its graph computes. */
import type * as torch from "../../../../torch/index.js";

export interface Arithmetic {
  /** The values that a linear layer's weight has in the file. weight: [out, in] → the same */
  weight(weight: torch.Tensor): torch.Tensor;
  /** The values that a table has; by default its own. [rows, width] → the same */
  readonly table?: (table: torch.Tensor) => torch.Tensor;
  /** A layer's input as it is multiplied; by default as it is. */
  readonly input?: (x: torch.Tensor) => torch.Tensor;
  /** A layer's output without its bias; by default as it is. */
  readonly output?: (y: torch.Tensor) => torch.Tensor;
  /** Whether a row's numbers depend on the other rows of its batch. */
  readonly dependsOnBatch?: boolean;
}

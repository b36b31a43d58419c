// Shapes: N tokens of all rows, padding left out.
import { type RowLayout, rowLayout } from "../nn/index.js";
import * as torch from "../torch/index.js";

/** What a model computes on: the tokens of a batch laid end to end. */
export interface ModelInput {
  /** [N] int32 */
  readonly ids: torch.Tensor;
  /** [N] int32: which of two texts a token belongs to. */
  readonly typeIds: torch.Tensor;
  /** [N] int32: each token's place in its row, from 0. */
  readonly positions: torch.Tensor;
  readonly layout: RowLayout;
}

/** The part of a batch that a model sees; each array has one element a token. */
export interface TokenBatch {
  /** Tokens of each row. */
  readonly lengths: readonly number[];
  readonly ids: Int32Array;
  readonly typeIds: Int32Array;
  readonly positions: Int32Array;
}

/** Copies a batch into tensors. */
export function toModelInput(batch: TokenBatch): ModelInput {
  return {
    ids: torch.tensor(batch.ids),
    typeIds: torch.tensor(batch.typeIds),
    positions: torch.tensor(batch.positions),
    layout: rowLayout(batch.lengths),
  };
}

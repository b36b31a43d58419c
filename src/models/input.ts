// Shapes: N tokens of all rows, padding left out.
import { type RowLayout, rowLayout } from "../nn/index.js";
import * as torch from "../torch/index.js";

/** What a model computes on: the tokens of a batch laid end to end. */
export interface ModelInput {
  /** [N] int32 */
  readonly inputIds: torch.Tensor;
  /** [N] int32: which of two texts a token belongs to. */
  readonly tokenTypeIds: torch.Tensor;
  /** [N] int32: each token's position in its row, from 0. */
  readonly positionIds: torch.Tensor;
  readonly layout: RowLayout;
}

/** A row as a model is given it. */
export interface TokenRow {
  readonly inputIds: readonly number[];
  readonly tokenTypeIds: readonly number[];
}

/** Lays rows end to end. */
export function modelInput(rows: readonly TokenRow[]): ModelInput {
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const [ids, types, positions] = [new Int32Array(tokens), new Int32Array(tokens), new Int32Array(tokens)];
  let start = 0;
  for (const { inputIds, tokenTypeIds } of rows) {
    ids.set(inputIds, start);
    types.set(tokenTypeIds, start);
    for (let i = 0; i < inputIds.length; i++) positions[start + i] = i;
    start += inputIds.length;
  }
  return {
    inputIds: torch.tensor(ids),
    tokenTypeIds: torch.tensor(types),
    positionIds: torch.tensor(positions),
    layout: rowLayout(lengths),
  };
}

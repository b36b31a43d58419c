// Shapes: N tokens of all rows, padding left out.
import { checkArguments, having, listOf } from "../common/arguments.js";
import { type KeyValueCache, type RowLayout, rowLayout } from "../nn/index.js";
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
  /** What rows had before, of a decoder that goes on from there. */
  readonly cache?: KeyValueCache | undefined;
}

/** A row as a model is given it. */
export interface TokenRow {
  readonly inputIds: readonly number[];
  readonly tokenTypeIds: readonly number[];
}

/** Rows of tokens, as arguments of a call. */
export const rowsOfTokens = listOf(
  "a list of rows, as encodeRows gives them",
  having("a row of tokens", "inputIds", "tokenTypeIds"),
);

/**
 * Lays rows end to end.
 * @param cache where rows go on from what they had before: their positions too
 */
export function modelInput(rows: readonly TokenRow[], cache?: KeyValueCache): ModelInput {
  checkArguments("modelInput", ["rows", rows, rowsOfTokens]);
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const [ids, types, positions] = [new Int32Array(tokens), new Int32Array(tokens), new Int32Array(tokens)];
  let start = 0;
  for (const [row, { inputIds, tokenTypeIds }] of rows.entries()) {
    ids.set(inputIds, start);
    types.set(tokenTypeIds, start);
    const before = cache?.lengths[row] ?? 0;
    for (let i = 0; i < inputIds.length; i++) positions[start + i] = before + i;
    start += inputIds.length;
  }
  return {
    inputIds: torch.tensor(ids),
    tokenTypeIds: torch.tensor(types),
    positionIds: torch.tensor(positions),
    layout: rowLayout(lengths),
    cache,
  };
}

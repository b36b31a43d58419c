// Shapes: N tokens of all rows.
import * as torch from "../torch/index.js";
import type { PositionRule } from "./embeddings.js";

/**
 * Positions start at the padding token's id + 1. A padding token that a row really holds (one spelt out in its text) has
 * that id itself as its position, and is not counted.
 */
export function positionsAfterPadding(padTokenId: number): PositionRule {
  return ({ inputIds, positionIds }) => {
    const counts = torch.neScalar(inputIds, padTokenId);
    const upTo = torch.cumsum(counts, 0); // N, this token included
    const rowStarts = torch.sub(torch.arange(inputIds.numel), positionIds); // N, flat index of the row's first token
    const before = torch.indexSelect(torch.sub(upTo, torch.to(counts, "int64")), 0, rowStarts);
    return torch.addScalar(torch.mul(torch.sub(upTo, before), counts), padTokenId);
  };
}

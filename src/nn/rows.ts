// Shapes: N tokens of all rows, B rows, L the longest row's length.
import * as torch from "../torch/index.js";

/** Where each row's tokens lie in a flat batch, and how to lay them out as padded rows and back. */
export interface RowLayout {
  readonly lengths: readonly number[];
  readonly maxLength: number;
  /** All rows are equally long: laying out is a view. */
  readonly isDense: boolean;
  /** [B·L] int64: the flat place of each padded place; padding points to place 0. Undefined when dense. */
  readonly gather: torch.Tensor | undefined;
  /** [N] int64: the padded place of each flat place. Undefined when dense. */
  readonly scatter: torch.Tensor | undefined;
  /** [B, L] bool: true at real tokens. Undefined when dense. */
  readonly present: torch.Tensor | undefined;
  /** [B] int64: the flat place of each row's first token. */
  readonly first: torch.Tensor;
}

/** @param lengths tokens of each row, all at least 1 */
export function rowLayout(lengths: readonly number[]): RowLayout {
  const maxLength = Math.max(...lengths);
  const starts = rowStarts(lengths);
  const first = torch.tensor(starts, [lengths.length], "int64");
  const isDense = lengths.every((length) => length === maxLength);
  const base = { lengths, maxLength, isDense, first };
  if (isDense) return { ...base, gather: undefined, scatter: undefined, present: undefined };

  const padded = lengths.length * maxLength;
  const gather = new Int32Array(padded);
  const present = new Uint8Array(padded);
  const scatter: number[] = [];
  for (const [row, length] of lengths.entries()) {
    const start = starts[row] as number;
    for (let i = 0; i < length; i++) {
      const place = row * maxLength + i;
      gather[place] = start + i;
      present[place] = 1;
      scatter.push(place);
    }
  }
  return {
    ...base,
    gather: torch.tensor(gather, [padded], "int64"),
    scatter: torch.tensor(scatter, [scatter.length], "int64"),
    present: torch.tensor(present, [lengths.length, maxLength], "bool"),
  };
}

function rowStarts(lengths: readonly number[]): number[] {
  let next = 0;
  return lengths.map((length) => {
    const start = next;
    next += length;
    return start;
  });
}

/** [N, D] → [B, L, D]; what padding holds is arbitrary but finite, and must be masked. */
export function toRows(flat: torch.Tensor, layout: RowLayout): torch.Tensor {
  const width = flat.shape[1] as number;
  const picked = layout.gather ? torch.indexSelect(flat, 0, layout.gather) : flat;
  return torch.view(picked, [layout.lengths.length, layout.maxLength, width]);
}

/** [B, L, D] → [N, D], padding left out. */
export function toFlat(rows: torch.Tensor, layout: RowLayout): torch.Tensor {
  const width = rows.shape[2] as number;
  const all = torch.reshape(rows, [-1, width]);
  return layout.scatter ? torch.indexSelect(all, 0, layout.scatter) : all;
}

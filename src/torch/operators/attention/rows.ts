// The layout of packed rows, and padding for formulas that need it.
// Shapes: N tokens of all rows, B rows, R rows of a group, L the length of its longest row.
import * as torch from "../../index.js";

/** The positions of each row's (sequence's) tokens in a packed batch. */
export interface RowLayout {
  readonly lengths: readonly number[];
  /** [B + 1] int64: the offset of each row, and the end of the last one. */
  readonly cuSeqlens: torch.Tensor;
  /** [B] int64: the packed index of each row's first token. */
  readonly first: torch.Tensor;
}

/**
 * The layout of rows packed end to end.
 * @param lengths the number of tokens of each row, at least 1
 * @param device of the tokens; by default the CPU
 */
export function rowLayout(lengths: readonly number[], device = "cpu"): RowLayout {
  const cuSeqlens = torch.tensor(rowOffsets(lengths), [lengths.length + 1], "int64", device);
  return { lengths, cuSeqlens, first: torch.narrow(cuSeqlens, 0, 0, lengths.length) };
}

function rowOffsets(lengths: readonly number[]): number[] {
  let next = 0;
  return [0, ...lengths.map((length) => (next += length))];
}

/** Rows that are padded to the longest of them, L. */
export interface PaddedGroup {
  /** Their indices in the batch. */
  readonly rows: readonly number[];
  readonly lengths: readonly number[];
  readonly longest: number;
  /** [R·L] int64: the packed index of the token at each padded position; padding points to a real token. Undefined if it is the identity. */
  readonly gather: torch.Tensor | undefined;
  /** [R, L] bool: true at real tokens. Undefined without padding. */
  readonly present: torch.Tensor | undefined;
}

/** A batch as padded groups. */
interface PaddedRows {
  readonly groups: readonly PaddedGroup[];
  /** [N] int64: each token's index in the concatenated R·L positions of all groups. Undefined if it is the identity. */
  readonly scatter: torch.Tensor | undefined;
}

/** At least this share of a group's positions are real tokens. */
const LEAST_FILLED = 0.75;

/** Computes the padding of rows in groups. */
export function padRows({ lengths, first }: RowLayout, groupedRows: readonly (readonly number[])[]): PaddedRows {
  const offsets = rowOffsets(lengths);
  const { device } = first;
  const scatter = new Int32Array(offsets.at(-1)!);
  let placed = 0;
  const groups = groupedRows.map((rows) => {
    const ofRows = rows.map((row) => lengths[row]!);
    const longest = ofRows.reduce((a, b) => Math.max(a, b));
    const gather = new Int32Array(rows.length * longest);
    for (const [r, row] of rows.entries()) {
      const start = offsets[row]!;
      const length = ofRows[r]!;
      for (let i = 0; i < longest; i++) {
        gather[r * longest + i] = start + Math.min(i, length - 1);
        if (i < length) scatter[start + i] = placed + r * longest + i;
      }
    }
    placed += gather.length;
    return {
      rows,
      lengths: ofRows,
      longest,
      gather: indices(gather, scatter.length, device),
      present: presence(ofRows, longest, device),
    };
  });
  return { groups, scatter: indices(scatter, placed, device) };
}

/**
 * Groups the indices of rows by similar length, so that one long row does not pad all others. The longest come first, both within a group
 * and among groups.
 */
export function groupRows(lengths: readonly number[]): number[][] {
  const length = (row: number | undefined) => lengths[row!]!;
  const sorted = Array.from(lengths.keys()).sort((a, b) => length(b) - length(a) || a - b);
  const groups: number[][] = [];
  for (const row of sorted) {
    const group = groups.at(-1);
    if (group && length(row) >= LEAST_FILLED * length(group[0])) group.push(row);
    else groups.push([row]);
  }
  return groups;
}

/** The indices as a tensor; undefined if they are all `tokens` in order. */
function indices(numbers: Int32Array, tokens: number, device: string): torch.Tensor | undefined {
  if (numbers.length === tokens && numbers.every((index, i) => index === i)) return undefined;
  return torch.tensor(numbers, [numbers.length], "int64", device);
}

function presence(lengths: readonly number[], longest: number, device: string): torch.Tensor | undefined {
  if (lengths.every((length) => length === longest)) return undefined;
  const present = lengths.flatMap((length) => Array.from({ length: longest }, (_, i) => (i < length ? 1 : 0)));
  return torch.tensor(Uint8Array.from(present), [lengths.length, longest], "bool", device);
}

/** [N, D] → [R, L, D]; padding has arbitrary values and must be masked. */
export function toRows(flat: torch.Tensor, { gather, rows, longest }: PaddedGroup): torch.Tensor {
  const picked = gather ? torch.indexSelect(flat, 0, gather) : flat;
  return torch.reshape(picked, [rows.length, longest, flat.shape[1]!]);
}

/** All rows in order, padded to the longest. [N, D] → [B, L, D], and a mask of real tokens, [B, L] bool, undefined without padding. */
export function paddedRows(
  flat: torch.Tensor,
  layout: RowLayout,
): { readonly padded: torch.Tensor; readonly present: torch.Tensor | undefined } {
  const [group] = padRows(layout, [[...layout.lengths.keys()]]).groups as [PaddedGroup];
  return { padded: toRows(flat, group), present: group.present };
}

/** Each group's [R, L, D] → [N, D], without padding. */
export function toFlat(groups: readonly torch.Tensor[], { scatter }: PaddedRows): torch.Tensor {
  const flat = groups.map((rows) => torch.reshape(rows, [-1, rows.shape[2]!]));
  const all = flat.length === 1 ? flat[0]! : torch.cat(flat, 0);
  return scatter ? torch.indexSelect(all, 0, scatter) : all;
}

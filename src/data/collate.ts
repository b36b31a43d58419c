import type { EncodedRow } from "./encode.js";
import type { TaskKind } from "./task.js";

export type BatchLabels =
  | { readonly task: "sequence-classification"; readonly classes: Int32Array /* [rows] */ }
  | { readonly task: "multi-label-classification"; readonly targets: Float32Array /* [rows * labels] of 0 and 1 */ }
  | { readonly task: "regression"; readonly targets: Float32Array /* [rows] */ }
  | {
      readonly task: "token-classification";
      readonly classes: Int32Array /* [tokens], -100 where there is no label */;
    };

/** Rows as flat tokens, one row after the other, padding left out. */
export interface Batch {
  readonly rows: number;
  /** The number of tokens of each row. */
  readonly lengths: readonly number[];
  readonly ids: Int32Array /* [tokens] */;
  readonly typeIds: Int32Array /* [tokens] */;
  /** Each token's place in its row, from 0. */
  readonly positions: Int32Array /* [tokens] */;
  /** Undefined for rows to predict, and for causal-lm, whose targets are the ids themselves. */
  readonly labels: BatchLabels | undefined;
}

/** Makes a batch of rows. It has labels if every row has one. */
export function collate(rows: readonly EncodedRow[], task: TaskKind): Batch {
  const lengths = rows.map((row) => row.ids.length);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const [ids, typeIds, positions] = [new Int32Array(tokens), new Int32Array(tokens), new Int32Array(tokens)];
  let at = 0;
  for (const row of rows) {
    ids.set(row.ids, at);
    typeIds.set(row.typeIds, at);
    for (let i = 0; i < row.ids.length; i++) positions[at + i] = i;
    at += row.ids.length;
  }
  return { rows: rows.length, lengths, ids, typeIds, positions, labels: collateLabels(rows, task) };
}

function collateLabels(rows: readonly EncodedRow[], task: TaskKind): BatchLabels | undefined {
  const labels = rows.map((row) => row.label).filter((label) => label !== undefined);
  if (labels.length < rows.length) return undefined;
  const flat = labels.flat();
  switch (task) {
    case "sequence-classification":
    case "token-classification":
      return { task, classes: Int32Array.from(flat) };
    case "multi-label-classification":
    case "regression":
      return { task, targets: Float32Array.from(flat) };
    case "causal-lm":
      return undefined;
  }
}

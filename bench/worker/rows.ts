import { readFileSync } from "node:fs";
import type { EncodedRow } from "../../src/tasks/index.js";
import type { OwnSpec, Shape } from "../protocol.js";

/** Rows enough for several batches; a search takes a fifth of them for its upper level. */
const BATCHES = 40;

export function rowsOf(spec: OwnSpec): EncodedRow[] {
  if ("shape" in spec) return randomRows(spec.shape);
  const { rows } = JSON.parse(readFileSync(spec.data, "utf8")) as { rows: { ids: number[]; label: number }[] };
  return rows.map(({ ids, label }, i) => ({
    inputIds: ids,
    tokenTypeIds: ids.map(() => 0),
    target: label,
    at: { file: spec.data, line: i + 1 },
  }));
}

export function batchSizeOf(spec: OwnSpec): number {
  return "shape" in spec ? spec.shape.rows : spec.batchSize;
}

function randomRows({ rows, length }: Shape): EncodedRow[] {
  let state = 1;
  const below = (count: number) => {
    state = (state * 48271) % 2147483647; // Park and Miller's generator: the values do not matter, only that they vary.
    return state % count;
  };
  return Array.from({ length: rows * BATCHES }, (_, i) => ({
    inputIds: Array.from({ length }, () => 5 + below(50000)),
    tokenTypeIds: new Array<number>(length).fill(0),
    target: below(2),
    at: { file: "random rows", line: i + 1 },
  }));
}

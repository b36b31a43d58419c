import { readFileSync } from "node:fs";
import { IGNORED_LABEL } from "../../src/nn/index.js";
import type { EncodedRow } from "../../src/tasks/index.js";
import type { FileOfRows, Kind, OwnSpec, Shape } from "../protocol.js";

/** Rows enough for several batches; a search takes a fifth of them for its upper level. */
const BATCHES = 40;

export function rowsOf(spec: OwnSpec): EncodedRow[] {
  if ("shape" in spec) return randomRows(spec.shape, spec.kind);
  const { rows } = JSON.parse(readFileSync(spec.data, "utf8")) as FileOfRows;
  return rows.map(({ ids, label }, i) => ({
    inputIds: ids,
    tokenTypeIds: ids.map(() => 0),
    target: typeof label === "number" ? label : foretold(label),
    at: { file: spec.data, line: i + 1 },
  }));
}

export function batchSizeOf(spec: OwnSpec): number {
  return "shape" in spec ? spec.shape.rows : spec.batchSize;
}

export function isInOrder(spec: OwnSpec): boolean {
  return "data" in spec && spec.isInOrder === true;
}

/** transformers' labels stand at their tokens; what a token foretells is the next one's. */
function foretold(labels: readonly number[]): number[] {
  return [...labels.slice(1), IGNORED_LABEL];
}

/** Of a language model all tokens bear loss. */
function randomRows({ rows, length }: Shape, kind: Kind): EncodedRow[] {
  let state = 1;
  const below = (count: number) => {
    state = (state * 48271) % 2147483647; // Park and Miller's generator: the values do not matter, only that they vary.
    return state % count;
  };
  return Array.from({ length: rows * BATCHES }, (_, i) => {
    const ids = Array.from({ length }, () => 5 + below(49000));
    const target = kind === "causal-lm" ? foretold(ids) : below(2);
    return { inputIds: ids, tokenTypeIds: ids.map(() => 0), target, at: { file: "random rows", line: i + 1 } };
  });
}

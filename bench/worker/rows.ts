import { readFileSync } from "node:fs";
import { IGNORED_LABEL } from "../../src/models/nn/index.js";
import type { EncodedEmbeddingExample } from "../../src/tasks/embedding/encode.js";
import type { EncodedExample } from "../../src/tasks/index.js";
import { branches, type EncodedAnswers } from "../../src/tasks/preference/encode.js";
import type { Kind, OwnSpec, RowsFile, Shape } from "../turns/protocol.js";

/** Enough batches for a search, whose upper level takes a fifth of the rows. */
const BATCHES = 40;

export function rowsOf(spec: OwnSpec): EncodedExample[] {
  if ("shape" in spec) return randomRows(spec.shape, spec.kind);
  const { rows } = JSON.parse(readFileSync(spec.data, "utf8")) as RowsFile;
  if (spec.kind === "embedding") return rows.map((row, i) => textsRow(row, { file: spec.data, line: i + 1 }));
  if (spec.kind === "preference") return rows.map((row, i) => pairRow(row, { file: spec.data, line: i + 1 }));
  return rows.map(({ ids, label }, i) => ({
    inputIds: ids,
    tokenTypeIds: ids.map(() => 0),
    target: typeof label === "number" ? label : nextTokens(label),
    at: { file: spec.data, line: i + 1 },
  }));
}

/** A prompt with two answers. */
function pairRow({ ids, answers }: RowsFile["rows"][number], at: EncodedExample["at"]): EncodedAnswers {
  const whole = branches(ids, answers!, Number.POSITIVE_INFINITY);
  return { ...whole, answers: answers!, maxLength: Number.POSITIVE_INFINITY, target: {}, at };
}

/** A text to embed, or a pair of texts. */
function textsRow({ ids, label }: RowsFile["rows"][number], at: EncodedExample["at"]): EncodedEmbeddingExample {
  const texts = typeof label === "number" ? [ids] : [ids, label];
  const inputIds = texts.flat();
  return {
    ...{ inputIds, tokenTypeIds: inputIds.map(() => 0), at },
    ...{ lengths: texts.map(({ length }) => length), skipped: texts.map(() => 0) },
    target: texts.length === 1 ? undefined : {},
  };
}

export function batchSizeOf(spec: OwnSpec): number {
  return "shape" in spec ? spec.shape.rows : spec.batchSize;
}

export function isInOrder(spec: OwnSpec): boolean {
  return "data" in spec && spec.isInOrder === true;
}

/** Shifts labels by one: transformers puts a label at its own token, bidora at the token that predicts it. */
function nextTokens(labels: readonly number[]): number[] {
  return [...labels.slice(1), IGNORED_LABEL];
}

/** Random rows; a language model is trained on all tokens. */
function randomRows({ rows, length }: Shape, kind: Kind): EncodedExample[] {
  let state = 1;
  const below = (count: number) => {
    state = (state * 48271) % 2147483647; // Park and Miller's generator; any varied values would do
    return state % count;
  };
  return Array.from({ length: rows * BATCHES }, (_, i) => {
    const ids = Array.from({ length }, () => 5 + below(49000));
    const target = kind === "causal-lm" ? nextTokens(ids) : below(2);
    return { inputIds: ids, tokenTypeIds: ids.map(() => 0), target, at: { file: "random rows", line: i + 1 } };
  });
}

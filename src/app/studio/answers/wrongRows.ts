/** The validation rows of a run that it got wrong, by their losses. */
import { join, resolve } from "node:path";
import { formatNumber, statOf } from "../../../base/index.js";
import { PREDICTIONS, type PredictedRow, readPredictions } from "../../../base/records/index.js";
import { wrongRows as reportedRows, type WrongRow } from "../../../studies/report/index.js";
import { fileState, Kept } from "../kept.js";
import type { FinishedRun } from "./finishedRuns.js";

/** A run's wrong rows, the largest loss first. */
export interface WrongRows {
  readonly rows: readonly WrongRow[];
  /** How many validation rows there are. */
  readonly of: number;
  /** The files of the rows that were written after the run had begun to predict. */
  readonly changed: ReadonlySet<string>;
}

type ReadRows = Omit<WrongRows, "changed">;

/** Those of the runs that were looked at last. */
const kept = new Kept<Promise<ReadRows | undefined>>(8);

/** @param folder the studio's, which paths of rows begin at @returns undefined for a run without validation rows */
export async function wrongRowsOf(run: FinishedRun, folder: string): Promise<WrongRows | undefined> {
  const state = fileState(join(run.path, PREDICTIONS.validation));
  const read = state && (await kept.of(run.path, state, () => readRows(run)));
  if (!read) return undefined;
  const [, written] = state;
  const files = new Set(read.rows.map(({ at }) => at.file));
  const changed = [...files].filter((file) => (statOf(resolve(folder, file))?.mtimeMs ?? 0) > written);
  return { ...read, changed: new Set(changed) };
}

async function readRows(run: FinishedRun): Promise<ReadRows | undefined> {
  const split = await readPredictions(run.path, "validation");
  return split && { rows: byLoss(wrongOf(split.rows, run)), of: split.rows.length };
}

/** The loss of a row for each of its parts, such as tokens; undefined if the run has not written it. */
export const lossOf = ({ loss, weight = 1 }: PredictedRow): number | undefined =>
  loss === undefined || weight === 0 ? undefined : loss / weight;

/** Rows without a loss of their own are ordered by how wrong they are. */
function byLoss(rows: readonly WrongRow[]): readonly WrongRow[] {
  const measure = ({ at, wrongness }: WrongRow) => lossOf(at) ?? wrongness;
  return [...rows].sort((a, b) => measure(b) - measure(a));
}

function wrongOf(rows: readonly PredictedRow[], { metadata }: FinishedRun): readonly WrongRow[] {
  const reported = reportedRows(rows, metadata.labels ?? []);
  return reported ?? rows.flatMap((at) => wrongRow(at) ?? []);
}

const isNumber = (value: unknown): value is number => typeof value === "number";
const areNumbers = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(isNumber);

/** A row of a task that compares texts: wrong if the right text does not come first. */
function wrongRow(at: PredictedRow): WrongRow | undefined {
  const { chosen, rejected, margin, ranks, ranked, cosine } = at.prediction;
  if (isNumber(margin)) return wrong(at, -margin, ["Margin", formatNumber(margin)]);
  if (isNumber(chosen) && isNumber(rejected)) {
    const facts = ["Chosen", formatNumber(chosen)] as const;
    return wrong(at, rejected - chosen, facts, ["Rejected", formatNumber(rejected)]);
  }
  if (isNumber(cosine) && isNumber(at.reference)) {
    const facts = ["Score", formatNumber(at.reference)] as const;
    return wrong(at, Math.abs(cosine - at.reference), facts, ["Cosine", formatNumber(cosine)]);
  }
  if (areNumbers(ranks)) return wrong(at, Math.max(...ranks) - 1, ["Place of the right text", ranks.join(", ")]);
  return areNumbers(ranked) && Array.isArray(at.reference) ? misranked(at, ranked, at.reference) : undefined;
}

/** @param scores of the documents @param isRelevant in the same order */
function misranked(at: PredictedRow, scores: readonly number[], isRelevant: readonly unknown[]): WrongRow | undefined {
  const best = (wanted: boolean) => Math.max(...scores.filter((_, i) => (isRelevant[i] === true) === wanted));
  const [right, other] = [best(true), best(false)];
  if (!Number.isFinite(right) || !Number.isFinite(other)) return undefined;
  const facts = ["Best relevant document", formatNumber(right)] as const;
  return wrong(at, other - right, facts, ["Best other document", formatNumber(other)]);
}

const wrong = (at: PredictedRow, wrongness: number, ...facts: WrongRow["facts"]): WrongRow | undefined =>
  wrongness > 0 ? { at, wrongness, facts } : undefined;

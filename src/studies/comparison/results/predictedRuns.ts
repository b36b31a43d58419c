// The predictions of a task's runs, for tests over rows.
import { join } from "node:path";
import { BidoraError, own } from "../../../base/index.js";
import { PREDICTIONS, type PredictedRow, readPredictions } from "../../../base/records/index.js";
import type { CollectedRun } from "./collectRuns.js";
import type { Scoring } from "./scoring.js";

/** A run with its prediction for each scored row; no rows if it has no such score. */
export interface PredictedRun {
  readonly run: CollectedRun;
  readonly rows: readonly PredictedRow[];
}

/**
 * The predictions of a task's runs for its scored rows. All runs must have the same rows: scores on different rows can't be compared.
 * @throws BidoraError `COMPARISON` naming two runs with different rows, or a run whose predictions are missing
 */
export async function readPredictedRuns(
  runs: readonly CollectedRun[],
  { main, split }: Scoring,
): Promise<PredictedRun[]> {
  const found: PredictedRun[] = [];
  for (const run of runs) {
    const isScored = own(run.metrics, main.name) !== undefined;
    found.push({ run, rows: isScored ? await rowsIn(run.folder, split) : [] });
  }
  const [first, ...others] = found;
  for (const other of others) refuseOthers(first as PredictedRun, other);
  return found;
}

async function rowsIn(folder: string, split: Scoring["split"]): Promise<readonly PredictedRow[]> {
  const found = await readPredictions(folder, split);
  if (found && found.broken === 0) return found.rows;
  const why = found ? `has ${found.broken} unreadable lines` : "is missing";
  throw new BidoraError(
    "COMPARISON",
    `${join(folder, PREDICTIONS[split])}, which holds the run's prediction for each row, ${why}: restore it, or remove the run's folder and run it again.`,
  );
}

function refuseOthers({ run: one, rows: ours }: PredictedRun, { run: other, rows: theirs }: PredictedRun): void {
  const place = ours.findIndex((row, i) => identityOf(row) !== identityOf(theirs[i]));
  if (place === -1 && ours.length === theirs.length) return;
  const what = ours.length === theirs.length ? `row ${place + 1} differs` : `${ours.length} and ${theirs.length}`;
  throw new BidoraError(
    "COMPARISON",
    `${one.folder} and ${other.folder} were scored on different rows (${what}), so their scores can't be compared: take one of them out of the comparison, or run it again.`,
  );
}

/**
 * Identifies a row by its line and its reference (its text if it has no reference), and by the number of scored tokens for a language model.
 * The file's name may differ from machine to machine.
 */
const identityOf = (row: PredictedRow | undefined): string | undefined =>
  row && JSON.stringify([row.line, row.reference ?? row.text, scoredTokens(row.prediction)]);

const scoredTokens = (prediction: PredictedRow["prediction"]): unknown =>
  "loss" in prediction && "tokens" in prediction ? prediction.tokens : undefined;

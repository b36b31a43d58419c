import { join } from "node:path";
import { own } from "../../common/collections.js";
import { BidoraError } from "../../common/errors.js";
import { type JudgedRow, PREDICTIONS, readPredictions } from "../../files/predictions.js";
import type { CollectedRun } from "./collect.js";
import type { Judging } from "./judging.js";

/** A run with what it said of each row that it is judged by: of none where it had no such rows. */
export interface JudgedRun {
  readonly run: CollectedRun;
  readonly rows: readonly JudgedRow[];
}

/**
 * What the runs of one task said of its rows, which must be the same ones in all of them: scores on others can't be compared.
 * @throws BidoraError `COMPARISON` naming two runs that were judged by different rows, or one whose rows are gone
 */
export async function judgedRuns(runs: readonly CollectedRun[], { main, split }: Judging): Promise<JudgedRun[]> {
  const judged: JudgedRun[] = [];
  for (const run of runs) {
    const isJudged = own(run.metrics, main.name) !== undefined;
    judged.push({ run, rows: isJudged ? await rowsIn(run.folder, split) : [] });
  }
  const [first, ...others] = judged;
  for (const other of others) refuseOthers(first as JudgedRun, other);
  return judged;
}

async function rowsIn(folder: string, split: Judging["split"]): Promise<readonly JudgedRow[]> {
  const found = await readPredictions(folder, split);
  if (found && found.broken === 0) return found.rows;
  const why = found ? `has lines that can't be read (${found.broken})` : "is gone";
  throw new BidoraError(
    "COMPARISON",
    `${join(folder, PREDICTIONS[split])} ${why}, which says how its run judged each row: bring it back, or remove the run's folder and run it again.`,
  );
}

function refuseOthers({ run: one, rows: ours }: JudgedRun, { run: other, rows: theirs }: JudgedRun): void {
  const place = ours.findIndex((row, i) => identityOf(row) !== identityOf(theirs[i]));
  if (place === -1 && ours.length === theirs.length) return;
  const what = ours.length === theirs.length ? `row ${place + 1} is another` : `${ours.length} and ${theirs.length}`;
  throw new BidoraError(
    "COMPARISON",
    `${one.folder} and ${other.folder} were judged by different rows (${what}), so that their scores can't be compared: take one of them out of the comparison, or run it again.`,
  );
}

/**
 * A row by its place and what is right for it; by its text where nothing is, and by how many of its tokens a language model is judged by.
 * The file's name may differ from machine to machine.
 */
const identityOf = (row: JudgedRow | undefined): string | undefined =>
  row && JSON.stringify([row.line, row.reference ?? row.text, judgedTokens(row.prediction)]);

const judgedTokens = (prediction: JudgedRow["prediction"]): unknown =>
  "loss" in prediction && "tokens" in prediction ? prediction.tokens : undefined;

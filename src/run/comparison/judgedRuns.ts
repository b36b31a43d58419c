import { existsSync } from "node:fs";
import { join } from "node:path";
import { own } from "../../common/collections.js";
import { BidoraError } from "../../common/errors.js";
import { loadTable } from "../../data/index.js";
import { PREDICTIONS } from "../../files/predictions.js";
import type { CollectedRun } from "./collect.js";
import type { Judging } from "./judging.js";

/** What a run said of a row. */
interface Row {
  readonly line: unknown;
  readonly text: unknown;
  readonly reference: unknown;
  readonly prediction: unknown;
}

/** A run with what it said of each row that it is judged by: of none where it had no such rows. */
export interface JudgedRun {
  readonly run: CollectedRun;
  readonly rows: readonly Row[];
}

/**
 * What the runs of one task said of its rows, which must be the same ones in all of them: scores on others can't be compared.
 * @throws BidoraError `COMPARISON` naming two runs that were judged by different rows, or one whose rows are gone
 */
export async function judgedRuns(runs: readonly CollectedRun[], { main, split }: Judging): Promise<JudgedRun[]> {
  const name = PREDICTIONS[split];
  const judged: JudgedRun[] = [];
  for (const run of runs) {
    const isJudged = own(run.metrics, main.name) !== undefined;
    judged.push({ run, rows: isJudged ? await rowsIn(join(run.folder, name)) : [] });
  }
  const [first, ...others] = judged;
  for (const other of others) refuseOthers(first as JudgedRun, other);
  return judged;
}

async function rowsIn(file: string): Promise<readonly Row[]> {
  if (!existsSync(file))
    throw new BidoraError(
      "COMPARISON",
      `${file} is gone, which says how its run judged each row: bring it back, or remove the run's folder and run it again.`,
    );
  const { rows } = await loadTable(file);
  return rows.map(({ values }) => values as unknown as Row);
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
const identityOf = (row: Row | undefined): string | undefined =>
  row && JSON.stringify([row.line, row.reference ?? row.text, judgedTokens(row.prediction)]);

const judgedTokens = (prediction: unknown): unknown =>
  typeof prediction === "object" && prediction !== null && "loss" in prediction && "tokens" in prediction
    ? prediction.tokens
    : undefined;

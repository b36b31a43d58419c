import { existsSync } from "node:fs";
import { join } from "node:path";
import { BidoraError } from "../../common/errors.js";
import { loadTable } from "../../data/index.js";
import { PREDICTIONS } from "../../folders/runFiles.js";
import type { CollectedRun } from "./collect.js";
import type { Judging } from "./judging.js";

/** What a run said of a row. */
interface Row {
  readonly line: unknown;
  readonly text: unknown;
  readonly reference: unknown;
  readonly prediction: unknown;
}

/** A run with what it said of each row that it is judged by; undefined where that file is gone. */
export interface JudgedRun {
  readonly run: CollectedRun;
  readonly rows: readonly Row[] | undefined;
}

/**
 * What the runs of one task said of its rows, which must be the same ones in all of them: scores on others can't be compared.
 * @throws BidoraError `COMPARISON` naming two runs that were judged by different rows
 */
export async function judgedRuns(runs: readonly CollectedRun[], { prefix }: Judging): Promise<JudgedRun[]> {
  const judged: JudgedRun[] = [];
  for (const run of runs) judged.push({ run, rows: await rowsIn(run.folder, prefix) });
  const [first, ...others] = judged.filter(({ rows }) => rows !== undefined);
  for (const other of others) if (first) refuseOthers(first, other);
  return judged;
}

async function rowsIn(folder: string, prefix: string): Promise<readonly Row[] | undefined> {
  const file = join(folder, PREDICTIONS[prefix === "" ? "validation" : "test"]);
  if (!existsSync(file)) return undefined;
  const { rows } = await loadTable(file);
  return rows.map(({ values }) => values as unknown as Row);
}

function refuseOthers({ run: one, rows: ours = [] }: JudgedRun, { run: other, rows: theirs = [] }: JudgedRun): void {
  const place = ours.findIndex((row, i) => identityOf(row) !== identityOf(theirs[i]));
  if (place === -1 && ours.length === theirs.length) return;
  const what = ours.length === theirs.length ? `row ${place + 1} is another` : `${ours.length} and ${theirs.length}`;
  throw new BidoraError(
    "COMPARISON",
    `${one.folder} and ${other.folder} were judged by different rows (${what}), so that their scores can't be compared: take one of them out of the comparison, or do it anew.`,
  );
}

/** A row by its place and what is right for it; by its text where nothing is. The file's name may differ from machine to machine. */
const identityOf = (row: Row | undefined): string | undefined =>
  row && JSON.stringify([row.line, row.reference ?? row.text]);

import { existsSync, mkdirSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { freeFile } from "../folders/outputFolder.js";
import { EVENTS, REPORT } from "../folders/runFiles.js";
import { isRunFolder } from "../folders/runFolder.js";
import { writeFileAtomic } from "../io/atomic.js";

/**
 * Where a report goes: to `output`, else into the folder of the one run, else into the current folder. A run's own report is
 * renewed, any other file stays unless `overwrite` gives it away.
 * @throws BidoraError `OUTPUT_IN_USE`, `OUTPUT`
 */
export function reportPath(
  runs: readonly string[],
  { output, overwrite }: { readonly output?: string | undefined; readonly overwrite: boolean },
): string {
  const [only, ...more] = runs;
  const path = output ?? (only !== undefined && more.length === 0 ? join(folderOf(only), REPORT) : REPORT);
  const file = existsSync(path) ? realpathSync(path) : path;
  const isRunsOwn = basename(file) === REPORT && isRunFolder(dirname(file));
  return freeFile(
    path,
    overwrite || isRunsOwn,
    runs.map((run) => join(folderOf(run), EVENTS)),
  );
}

/** A run may be named by its log. */
const folderOf = (run: string): string => (basename(run) === EVENTS ? dirname(run) : run);

/**
 * Writes the report of one run, or of several side by side, from their own logs. Its libraries are loaded here, so that they
 * do not hold up a run's first step.
 * @param runs their output folders
 * @throws BidoraError `RUN_LOG` for a folder without a whole log; nothing is written then
 */
export async function writeReport(path: string, runs: readonly string[]): Promise<void> {
  const { readRun, renderReport } = await import("../report/index.js");
  const html = renderReport(await Promise.all(runs.map((run) => readRun(run))));
  mkdirSync(dirname(path), { recursive: true });
  writeFileAtomic(path, html);
}

import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { aText, checkArguments, texts } from "../common/arguments.js";
import { UsageError } from "../common/errors.js";
import { makeFolder } from "../common/fileSystem.js";
import { writeFileAtomic } from "../files/atomic.js";
import { COMPARISON } from "../files/comparison.js";
import { earlierQuickstartRuns, isComparison, readComparison } from "../files/comparisonFolder.js";
import { REPORT } from "../files/names.js";
import { freeFile } from "../files/outputFolder.js";
import { isRunFolder } from "../files/runFolder.js";
import { EVENTS, readRun } from "../files/runLog.js";

/**
 * Where a report goes: to `output`, else into the folder of the one run or comparison, else into the current folder. A run's own report, or
 * a comparison's, is renewed, any other file stays unless `overwrite` gives it away.
 * @throws UsageError without any run, BidoraError `OUTPUT_IN_USE`, `OUTPUT`
 */
export function reportPath(
  runs: readonly string[],
  { output, overwrite }: { readonly output?: string | undefined; readonly overwrite: boolean },
): string {
  refuseNone(runs);
  const [only, ...more] = runs;
  const path = output ?? (only !== undefined && more.length === 0 ? join(folderOf(only), REPORT) : REPORT);
  const file = existsSync(path) ? realpathSync(path) : path;
  const isTheirOwn = basename(file) === REPORT && (isRunFolder(dirname(file)) || isComparison(dirname(file)));
  return freeFile(
    path,
    overwrite || isTheirOwn,
    runs.flatMap((run) => [EVENTS, COMPARISON].map((name) => join(folderOf(run), name))),
  );
}

function refuseNone(runs: readonly string[]): void {
  if (runs.length === 0)
    throw new UsageError("The run is missing: give the output folder of at least one run, or of a comparison.");
}

/** A run may be named by its log. */
const folderOf = (run: string): string => (basename(run) === EVENTS ? dirname(run) : run);

/**
 * Writes the report of one run, of several side by side, or of a comparison, from what lies in their folders. Its libraries are
 * loaded here, so that they do not hold up a run's first step.
 * @param folders output folders of runs, or the one of a comparison
 * @throws UsageError without any run and for a comparison beside anything else, BidoraError `RUN_LOG` for a folder without a whole log and
 *   `COMPARISON` for a comparison that can't be read; nothing is written then
 */
export async function writeReport(path: string, folders: readonly string[]): Promise<void> {
  checkArguments("writeReport", ["path", path, aText], ["folders", folders, texts]);
  refuseNone(folders);
  const html = await rendered(folders);
  makeFolder(dirname(path));
  writeFileAtomic(path, html);
}

async function rendered(named: readonly string[]): Promise<string> {
  const { renderComparison, renderReport } = await import("../report/index.js");
  const folders = named.flatMap((folder) => earlierQuickstartRuns(folder) ?? folder);
  const comparison = folders.find(isComparison);
  if (comparison === undefined) return renderReport(await Promise.all(folders.map((run) => readRun(run))));
  if (folders.length === 1) return renderComparison(await readComparison(comparison));
  throw new UsageError(`A comparison has a report by itself: give ${comparison} alone, or runs within it.`);
}

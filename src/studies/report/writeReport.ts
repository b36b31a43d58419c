import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { aText, checkArguments, makeFolder, texts, UsageError } from "../../base/index.js";
import {
  COMPARISON,
  EVENTS,
  earlierQuickstartRuns,
  freeFile,
  isComparison,
  isRunFolder,
  REPORT,
  readComparison,
  readRun,
  writeFileAtomic,
} from "../../base/records/index.js";

/**
 * The path of a report: `output`, or the folder of a single run or comparison, or the current folder. The report of a run or comparison in
 * its own folder is always replaced, another file only with `overwrite`.
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

/** A run may also be given by its log file. */
const folderOf = (run: string): string => (basename(run) === EVENTS ? dirname(run) : run);

/**
 * Writes the report of one run, of several side by side, or of a comparison, from the files in their folders.
 * @param folders output folders of runs, or the one of a comparison
 * @throws UsageError without any run and for a comparison together with others, BidoraError `RUN_LOG` for a folder without a complete log
 *   and `COMPARISON` for an unreadable comparison; nothing is written then
 */
export async function writeReport(path: string, folders: readonly string[]): Promise<void> {
  checkArguments("writeReport", ["path", path, aText], ["folders", folders, texts]);
  refuseNone(folders);
  const html = await rendered(folders);
  makeFolder(dirname(path));
  writeFileAtomic(path, html);
}

async function rendered(named: readonly string[]): Promise<string> {
  // Loaded here, so that its libraries do not delay a run's first step.
  const { renderComparison } = await import("./renderComparison.js");
  const { renderReport } = await import("./renderReport.js");
  const folders = named.flatMap((folder) => earlierQuickstartRuns(folder) ?? folder);
  const comparison = folders.find(isComparison);
  if (comparison === undefined) return renderReport(await Promise.all(folders.map((run) => readRun(run))));
  if (folders.length === 1) return renderComparison(await readComparison(comparison));
  throw new UsageError(`A comparison has a report by itself: give ${comparison} alone, or runs within it.`);
}

// The files of a report, and of an analysis.
import { closeSync, existsSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { aText, checkArguments, makeFolder, texts, UsageError } from "../../base/index.js";
import {
  ANALYSIS,
  type Analysis,
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

/** Where the caller wants the files, and whether others may be overwritten. */
interface Asked {
  readonly output?: string | undefined;
  readonly overwrite: boolean;
}

/** The folder of a single run or comparison, or the current folder for several. */
const onlyOf = ([only, ...more]: readonly string[]): string => (only !== undefined && more.length === 0 ? only : ".");

/**
 * The path of a report: `output`, or the folder of a single run or comparison, or the current folder. The report of a run or comparison in
 * its own folder is always replaced, another file only with `overwrite`.
 * @throws UsageError without any run, BidoraError `OUTPUT_IN_USE`, `OUTPUT`
 */
export function reportPath(runs: readonly string[], { output, overwrite }: Asked): string {
  refuseNone(runs);
  const path = output ?? join(onlyOf(runs.map(folderOf)), REPORT);
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

/** Marks both files, near their beginning, as an analysis that bidora wrote. */
const MADE_BY = "bidora analyze";

/** The mark is within this many bytes from the start of a file. */
const HEAD = 512;

/** Where an analysis goes. */
interface AnalysisFiles {
  readonly page: string;
  readonly data: string;
}

/**
 * Where an analysis goes: to `output`, else into the folder of the one run or comparison, else into the current folder. An earlier
 * analysis is replaced, any other file only with `overwrite`.
 * @throws BidoraError `OUTPUT_IN_USE`, `OUTPUT`
 */
export function analysisFiles(runs: readonly string[], { output, overwrite }: Asked): AnalysisFiles {
  const free = (name: string): string => {
    const path = join(output ?? onlyOf(runs), name);
    return freeFile(path, overwrite || isOwn(path), []);
  };
  return { page: free(ANALYSIS.page), data: free(ANALYSIS.data) };
}

/** Writes both files. The libraries that draw are loaded here. */
export async function writeAnalysis({ page, data }: AnalysisFiles, analysis: Analysis): Promise<void> {
  const { renderAnalysis } = await import("./renderAnalysis.js");
  const html = renderAnalysis(analysis, MADE_BY);
  makeFolder(dirname(page));
  writeFileAtomic(data, `${JSON.stringify({ madeBy: MADE_BY, ...analysis }, undefined, 2)}\n`);
  writeFileAtomic(page, html);
}

/** Whether a file is an analysis that this program wrote. */
function isOwn(path: string): boolean {
  if (!existsSync(path) || !statSync(path).isFile()) return false;
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(HEAD);
    return head.toString("latin1", 0, readSync(file, head, 0, HEAD, 0)).includes(`"${MADE_BY}"`);
  } finally {
    closeSync(file);
  }
}

import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { aText, checkArguments, texts } from "../common/arguments.js";
import { UsageError } from "../common/errors.js";
import { makeFolder } from "../common/fileSystem.js";
import { methodNames } from "../config/index.js";
import { freeFile } from "../folders/outputFolder.js";
import { COMPARISON, EVENTS, REPORT } from "../folders/runFiles.js";
import { isRunFolder } from "../folders/runFolder.js";
import { writeFileAtomic } from "../io/atomic.js";

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

/** A comparison's folder holds what it found. */
const isComparison = (folder: string): boolean => existsSync(join(folder, COMPARISON));

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
  const { readComparison, readRun, renderComparison, renderReport } = await import("../report/index.js");
  const folders = named.flatMap((folder) => quickstartRuns(folder) ?? folder);
  const comparison = folders.find(isComparison);
  if (comparison === undefined) return renderReport(await Promise.all(folders.map((run) => readRun(run))));
  if (folders.length === 1) return renderComparison(await readComparison(comparison));
  throw new UsageError(`A comparison has a report by itself: give ${comparison} alone, or runs within it.`);
}

/** The runs in a quickstart's folder, METHOD beside figures that are a list of them; undefined for any other folder. */
function quickstartRuns(folder: string): string[] | undefined {
  const figures = isComparison(folder) ? parsed(join(folder, COMPARISON)) : undefined;
  if (!Array.isArray(figures)) return undefined;
  const named = figures.map((one: { readonly method?: unknown } | null) => one?.method);
  const methods = methodNames.filter((method) => named.includes(method));
  return methods.length > 0
    ? methods.sort((a, b) => named.indexOf(a) - named.indexOf(b)).map((method) => join(folder, method))
    : undefined;
}

/** A file that can't be read is told of by whoever needs it. */
function parsed(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** The files of an analysis: a page and the numbers as JSON. */
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeFolder } from "../../base/index.js";
import { ANALYSIS, type Analysis, freeFile, writeFileAtomic } from "../../base/records/index.js";

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
export function analysisFiles(
  runs: readonly string[],
  { output, overwrite }: { readonly output?: string | undefined; readonly overwrite: boolean },
): AnalysisFiles {
  const [only, ...more] = runs;
  const folder = output ?? (only !== undefined && more.length === 0 ? only : ".");
  const free = (name: string): string => {
    const path = join(folder, name);
    return freeFile(path, overwrite || isOwn(path), []);
  };
  return { page: free(ANALYSIS.page), data: free(ANALYSIS.data) };
}

/** Writes both files. The libraries that draw are loaded here. */
export async function writeAnalysis({ page, data }: AnalysisFiles, analysis: Analysis): Promise<void> {
  const { renderAnalysis } = await import("../report/renderAnalysis.js");
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

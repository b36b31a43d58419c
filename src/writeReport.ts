import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { writeFileAtomic } from "./io/atomic.js";

/**
 * Writes the report of one run, or of several side by side, from their own logs. Its libraries are loaded here, so that they
 * do not hold up a run's first step.
 * @param runs their output folders
 * @throws BidoraError `RUN_LOG` for a folder without a whole log; nothing is written then
 */
export async function writeReport(path: string, runs: readonly string[]): Promise<void> {
  const { readRunLog, renderReport } = await import("./report/index.js");
  const html = renderReport(await Promise.all(runs.map((run) => readRunLog(run))));
  mkdirSync(dirname(path), { recursive: true });
  writeFileAtomic(path, html);
}

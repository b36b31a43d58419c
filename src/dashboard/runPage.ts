import { BidoraError } from "../common/errors.js";
import { readRun } from "../files/runLog.js";
import { type LivePart, renderReport, renderWaiting } from "../report/index.js";

/**
 * The report of a run that goes on, from what its folder holds so far.
 * @param isThere false where what the folder holds is of an earlier run, which this one replaces with its first step
 */
export async function runPage(folder: string, name: string, live: LivePart, isThere = true): Promise<string> {
  if (!isThere) return renderWaiting(name, live);
  try {
    return renderReport([await readRun(folder)], live);
  } catch (error) {
    // Before its first step a run has left nothing.
    if (error instanceof BidoraError && error.code === "RUN_LOG") return renderWaiting(name, live);
    throw error;
  }
}

import { significance } from "../../compare/significance.js";
import { withLogs } from "../../files/comparisonFolder.js";
import { type LivePart, renderComparison, renderWaiting } from "../../report/index.js";
import { collectRuns } from "./collect.js";
import { type AskedFor, gathered } from "./gathered.js";
import { missingRuns } from "./missing.js";

/** The report of a comparison that goes on, from the runs that have ended so far; without the tests over rows, which take long. */
export async function comparisonPage(
  output: string,
  asked: AskedFor & { readonly conditions: object },
  live: LivePart,
): Promise<string> {
  const runs = await collectRuns(output);
  if (runs.length === 0) return renderWaiting(output, live);
  // Of those that go on, the page tells by itself.
  const { failed } = await missingRuns(output, asked);
  const comparison = gathered(runs, asked, { failed, unfinished: [] });
  const found = { ...comparison, tests: significance(comparison), conditions: { ...asked.conditions } };
  return renderComparison(await withLogs(output, found), live);
}

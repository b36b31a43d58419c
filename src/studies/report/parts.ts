// Parts of reports, for other pages. The libraries that draw are loaded here.
import { type RunLog, readComparison } from "../../base/records/index.js";
import { html, type Markup } from "./html.js";

/** The figures of a run's report. */
export async function runFigures(log: RunLog): Promise<Markup> {
  const { subjectsOf } = await import("./figures/curves.js");
  const { trainingFigures } = await import("./figures/trainingFigures.js");
  const { toRuns } = await import("./runs.js");
  return html`${trainingFigures(subjectsOf(toRuns([log])))}`;
}

/** The scores of a comparison and their tests. @throws BidoraError `COMPARISON` for a comparison that can't be read */
export async function comparisonScores(folder: string): Promise<Markup> {
  const { scoreParts } = await import("./renderComparison.js");
  return html`${scoreParts(await readComparison(folder))}`;
}

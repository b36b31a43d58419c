import { join, relative } from "node:path";
import type { CallContext } from "../../base/index.js";
import { type RunEvent, withLogs } from "../../base/records/index.js";
import type { LivePart } from "../report/index.js";
import { renderComparison } from "../report/renderComparison.js";
import { renderWaiting } from "../report/renderReport.js";
import { significance } from "../statistics/significance.js";
import type { Cell } from "./cells.js";
import { collectRuns } from "./collectRuns.js";
import type { EndedRun, JobControls } from "./jobs.js";
import { missingRuns } from "./missingRuns.js";
import { summarizeRuns } from "./results.js";
import { askedRuns, requestedResults, type Spec } from "./spec.js";

/** Passes the events of a comparison's runs on to the live page. */
export interface ComparisonWatch {
  expect(cells: readonly Cell[], state: "waiting" | "done"): void;
  begin(cell: Cell, controls: JobControls): void;
  event(cell: Cell, event: RunEvent): void;
  end(ended: EndedRun, score: string | undefined): void;
}

/**
 * Serves a live page of the comparison, and of each of its runs, while `body` runs.
 * @param body receives a signal that the page can abort, and the watch to report to
 * @throws BidoraError `DASHBOARD` if the port is not available
 */
export async function watchComparison<T>(
  spec: Spec,
  context: CallContext,
  dashboard: true | number,
  body: (signal: AbortSignal, watch: ComparisonWatch) => Promise<T>,
): Promise<T> {
  const { Board, runPage, withDashboard } = await import("../dashboard/index.js");
  const { output } = spec;
  const board = new Board();
  const controls = new Map<string, JobControls>();
  const nameOf = ({ folder }: Cell): string => relative(output, folder);
  const watch: ComparisonWatch = {
    expect: (cells, state) => board.add(cells.map(nameOf), state),
    begin: (cell, ofRun) => controls.set(nameOf(cell), ofRun),
    event: (cell, event) => board.event(nameOf(cell), event),
    end: ({ cell, status, message }, score) => board.ended(nameOf(cell), status, score ?? message),
  };
  const watched = {
    board,
    draw: (run: string | undefined, live: LivePart) =>
      run === undefined ? comparisonPage(spec, live) : runPage(join(output, run), run, live),
    stopOne: (run: string) => controls.get(run)?.stop(),
    checkpoint: (run: string) => controls.get(run)?.checkpoint(),
  };
  return withDashboard(watched, dashboard, context, (signal) => body(signal, watch));
}

/** The report of a running comparison, from the runs that have finished; without the tests over rows, which are slow. */
async function comparisonPage(spec: Spec, live: LivePart): Promise<string> {
  const { output } = spec;
  const runs = await collectRuns(output);
  if (runs.length === 0) return renderWaiting(output, live);
  const requested = requestedResults(spec);
  const comparison = summarizeRuns(runs, requested, await missingRuns(output, askedRuns(spec)));
  const found = { ...comparison, tests: significance(comparison), conditions: { ...requested.conditions } };
  return renderComparison(await withLogs(output, found), live);
}

import { join, relative } from "node:path";
import { withLogs } from "../files/comparisonFolder.js";
import type { RunEvent } from "../files/events.js";
import type { HubOptions } from "../io/hub/options.js";
import { type LivePart, renderComparison, renderWaiting } from "../report/index.js";
import { portOf } from "../run/withDashboard.js";
import { significance } from "../statistics/significance.js";
import type { Cell } from "./cells.js";
import { collectRuns, missingRuns } from "./collectRuns.js";
import type { EndedRun, JobControls } from "./jobs.js";
import { summarizeRuns } from "./results.js";
import { type RequestedResults, requestedResults, type Spec } from "./spec.js";

/** What a comparison's runs tell, to a page that shows them live. */
export interface ComparisonWatch {
  expect(cells: readonly Cell[], state: "waiting" | "done"): void;
  begin(cell: Cell, controls: JobControls): void;
  event(cell: Cell, event: RunEvent): void;
  end(ended: EndedRun, score: string | undefined): void;
}

/**
 * Does a comparison with a page of it, and of each of its runs, served live.
 * @param body gets a signal that the page aborts too, and what is to be told
 * @throws BidoraError `DASHBOARD` for a port that can't be had
 */
export async function withDashboard<T>(
  spec: Spec,
  hooks: { readonly signal?: AbortSignal; readonly hub?: HubOptions },
  dashboard: true | number,
  body: (signal: AbortSignal, watch: ComparisonWatch) => Promise<T>,
): Promise<T> {
  const { Board, runPage, serveDashboard } = await import("../dashboard/index.js");
  const { output } = spec;
  const board = new Board();
  const controls = new Map<string, JobControls>();
  const stopping = new AbortController();
  const nameOf = ({ folder }: Cell): string => relative(output, folder);
  const page = await serveDashboard(
    {
      board,
      draw: (run, live) =>
        run === undefined
          ? comparisonPage(output, requestedResults(spec), live)
          : runPage(join(output, run), run, live),
      stop: (run) => (run === undefined ? stopping.abort() : controls.get(run)?.stop()),
      checkpoint: (run) => controls.get(run)?.checkpoint(),
    },
    portOf(dashboard),
  );
  hooks.hub?.onNote?.(`Live at ${page.url}`);
  const watch: ComparisonWatch = {
    expect: (cells, state) => board.add(cells.map(nameOf), state),
    begin: (cell, ofRun) => controls.set(nameOf(cell), ofRun),
    event: (cell, event) => board.event(nameOf(cell), event),
    end: ({ cell, status, message }, score) => board.ended(nameOf(cell), status, score ?? message),
  };
  const signals = [stopping.signal, ...(hooks.signal ? [hooks.signal] : [])];
  return body(AbortSignal.any(signals), watch).finally(() => page.close());
}

/** The report of a comparison that goes on, from the runs that have ended so far; without the tests over rows, which take long. */
export async function comparisonPage(
  output: string,
  asked: RequestedResults & { readonly conditions: object },
  live: LivePart,
): Promise<string> {
  const runs = await collectRuns(output);
  if (runs.length === 0) return renderWaiting(output, live);
  // Of those that go on, the page tells by itself.
  const { failed } = await missingRuns(output, asked);
  const comparison = summarizeRuns(runs, asked, { failed, unfinished: [] });
  const found = { ...comparison, tests: significance(comparison), conditions: { ...asked.conditions } };
  return renderComparison(await withLogs(output, found), live);
}

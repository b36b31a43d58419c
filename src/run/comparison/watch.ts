import { join, relative } from "node:path";
import type { RunEvent } from "../../files/events.js";
import type { HubOptions } from "../../io/hub/options.js";
import { portOf } from "../watchedRun.js";
import type { Cell } from "./cells.js";
import { comparisonPage } from "./comparisonPage.js";
import type { Ended, JobControls } from "./jobs.js";
import { askedFor, type Spec } from "./spec.js";

/** What a comparison's runs tell, to a page that shows them live. */
export interface ComparisonWatch {
  expect(cells: readonly Cell[], state: "waiting" | "done"): void;
  begin(cell: Cell, controls: JobControls): void;
  event(cell: Cell, event: RunEvent): void;
  end(ended: Ended, score: string | undefined): void;
}

/**
 * Does a comparison with a page of it, and of each of its runs, served live.
 * @param body gets a signal that the page aborts too, and what is to be told
 * @throws BidoraError `DASHBOARD` for a port that can't be had
 */
export async function watched<T>(
  spec: Spec,
  hooks: { readonly signal?: AbortSignal; readonly hub?: HubOptions },
  dashboard: true | number,
  body: (signal: AbortSignal, watch: ComparisonWatch) => Promise<T>,
): Promise<T> {
  const { Board, runPage, serveDashboard } = await import("../../dashboard/index.js");
  const { output } = spec;
  const board = new Board();
  const controls = new Map<string, JobControls>();
  const stopping = new AbortController();
  const nameOf = ({ folder }: Cell): string => relative(output, folder);
  const page = await serveDashboard(
    {
      board,
      draw: (run, live) =>
        run === undefined ? comparisonPage(output, askedFor(spec), live) : runPage(join(output, run), run, live),
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

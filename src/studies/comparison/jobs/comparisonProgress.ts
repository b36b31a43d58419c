// What a comparison tells while it runs: a line for each run that ends, and a live page.
import { join, relative } from "node:path";
import { sum } from "d3-array";
import { BidoraError, type CallContext, formatNumber, formatSeconds, someOf } from "../../../base/index.js";
import { type RunEvent, seedsText, withLogs } from "../../../base/records/index.js";
import type { LivePart } from "../../report/index.js";
import { significance } from "../../statistics/significance.js";
import type { Cell } from "../plan/cells.js";
import { collectRuns, missingRuns } from "../results/collectRuns.js";
import { summarizeRuns } from "../results/results.js";
import { askedRuns, requestedResults, type Spec } from "../spec/spec.js";
import type { EndedRun, JobControls } from "./jobs.js";

/** A line for each run that ends, with an estimate of the remaining time. */
export class ComparisonProgress {
  #ended = 0;
  readonly #began = performance.now();
  readonly #seen = new Map<Cell, { steps: number; total: number }>();

  constructor(
    private readonly cells: readonly Cell[],
    private readonly note: (line: string) => void,
    private readonly now = () => performance.now(),
  ) {}

  event(cell: Cell, event: RunEvent): void {
    if (event.event === "start") {
      this.#seen.set(cell, { steps: 0, total: sum(Object.values(event.steps)) });
    }
    const seen = this.#seen.get(cell);
    if (event.event === "step" && seen) seen.steps = event.step;
  }

  end({ cell, status, message }: EndedRun, score: string | undefined): void {
    if (status === "stopped") return;
    this.#ended++;
    this.#seen.delete(cell);
    const what = status === "failed" ? `failed: ${message}` : (score ?? "done");
    this.note(`${this.#ended}/${this.cells.length} ${cellName(cell)}: ${what}${this.#left()}`);
  }

  /** Extrapolated from the share of runs that are done; running ones count in part. */
  #left(): string {
    const running = sum(this.#seen.values(), ({ steps, total }) => steps / Math.max(1, total));
    const share = (this.#ended + running) / this.cells.length;
    if (this.#ended === this.cells.length || share === 0) return "";
    const seconds = ((this.now() - this.#began) / 1000) * (1 / share - 1);
    return `; about ${formatSeconds(seconds)} left`;
  }
}

/** A run's name for messages. */
export const cellName = ({ task, variant, point, onCurve, ...seeds }: Cell): string =>
  [
    ...[task, variant.name],
    ...Object.entries(point ?? onCurve ?? {}).map(([key, value]) => `${key}=${String(value)}`),
    ...(point ? [] : [seedsText(seeds)]),
  ].join(" ");

export const scoreText = (name: string, value: number | undefined): string | undefined =>
  value === undefined ? undefined : `${name} ${formatNumber(value)}`;

/** The error at the end of a comparison in which runs failed or were stopped: the reason for the first one, and the names of others. */
export function runsFailed(failed: readonly EndedRun[], all: number): BidoraError {
  const [{ cell, message }, ...others] = failed as [EndedRun, ...EndedRun[]];
  const why = message?.replace(/^bidora: /, "");
  const what = failed.every(({ status }) => status === "stopped") ? "were stopped" : "failed";
  return new BidoraError(
    "COMPARISON",
    `${failed.length} of ${all} runs ${what}; ${failed.length < all ? "the others are kept, and " : ""}the same command continues with the missing ones. ${cellName(cell)}: ${why}${alsoFailed(others)}`,
  );
}

/** The number of failed runs that are named beside the first. */
const NAMED = 3;

const alsoFailed = (others: readonly EndedRun[]): string =>
  others.length === 0
    ? ""
    : ` So did ${someOf(
        others.map(({ cell }) => cellName(cell)),
        NAMED,
      )}.`;

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
  const { Board, runPage, withDashboard } = await import("../../dashboard/index.js");
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
  if (runs.length === 0) return (await import("../../report/renderReport.js")).renderWaiting(output, live);
  const requested = requestedResults(spec);
  const comparison = summarizeRuns(runs, requested, await missingRuns(output, askedRuns(spec)));
  const found = { ...comparison, tests: significance(comparison), conditions: { ...requested.conditions } };
  const { renderComparison } = await import("../../report/renderComparison.js");
  return renderComparison(await withLogs(output, found), live);
}

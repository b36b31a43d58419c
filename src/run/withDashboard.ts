import type { RunConfig } from "../config/index.js";
import type { Watched } from "../dashboard/index.js";
import type { RunEvent } from "../files/events.js";
import type { HubOptions } from "../io/hub/options.js";
import { CheckpointRequest } from "../train/checkpoints.js";

/** What can be done to a run on its way, and what it tells. */
export interface RunHooks {
  readonly signal?: AbortSignal;
  readonly checkpoints?: CheckpointRequest;
  readonly observers?: readonly ((event: RunEvent) => void)[];
  readonly hub?: HubOptions;
}

/**
 * Does a run, with its report served live beside it where that is asked for: who looks at it can end the run, or have it save a
 * checkpoint.
 * @param train gets the options with what the page adds to them
 * @throws BidoraError `DASHBOARD` for a port that can't be had, before the run begins
 */
export async function withDashboard<Hooks extends RunHooks, T>(
  { dashboard, output, resume }: Pick<RunConfig, "dashboard" | "output" | "resume">,
  options: Hooks,
  train: (options: Hooks) => Promise<T>,
): Promise<T> {
  if (dashboard === false) return train(options);
  const { Board, runPage, serveDashboard } = await import("../dashboard/index.js");
  const board = new Board();
  board.add([ALONE], "waiting");
  const stopping = new AbortController();
  const checkpoints = options.checkpoints ?? new CheckpointRequest();
  const isThere = () => resume || (board.run(ALONE)?.step ?? 0) > 0;
  const draw: Watched["draw"] = (_, live) => runPage(output, output, live, isThere());
  const stop = () => stopping.abort();
  const page = await serveDashboard({ board, draw, stop, checkpoint: () => checkpoints.ask() }, portOf(dashboard));
  options.hub?.onNote?.(`Live at ${page.url}`);
  const signal = AbortSignal.any([stopping.signal, ...(options.signal ? [options.signal] : [])]);
  const observers = [...(options.observers ?? []), (event: RunEvent) => board.event(ALONE, event)];
  try {
    const result = await train({ ...options, signal, observers, checkpoints });
    board.ended(ALONE, signal.aborted ? "stopped" : "done");
    return result;
  } catch (error) {
    board.ended(ALONE, "failed", (error as Error).message);
    throw error;
  } finally {
    await page.close();
  }
}

/** The name of a run that is alone on its page. */
const ALONE = "";

/** Any free port, where none is named. */
export const portOf = (dashboard: true | number): number => (dashboard === true ? 0 : dashboard);

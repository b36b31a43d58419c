import type { RunConfig } from "../config/index.js";
import type { Watched } from "../dashboard/index.js";
import type { RunEvent } from "../files/events.js";
import type { HubOptions } from "../io/hub/options.js";
import { CheckpointRequest } from "../train/checkpoints.js";

/** Controls and observers of a run. */
interface RunHooks {
  readonly signal?: AbortSignal;
  readonly checkpoints?: CheckpointRequest;
  readonly observers?: readonly ((event: RunEvent) => void)[];
  readonly hub?: HubOptions;
}

/**
 * Runs a training, with a live page if requested, from which the run can be stopped or asked to save a checkpoint.
 * @param train receives the options with the page's additions
 * @throws BidoraError `DASHBOARD` before the run starts, if the port is not available
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

/** The name of the only run of a page. */
const ALONE = "";

/** The port to serve on; 0 stands for any free port. */
export const portOf = (dashboard: true | number): number => (dashboard === true ? 0 : dashboard);

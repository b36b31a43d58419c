import { fork } from "node:child_process";
import { join } from "node:path";
import { signal as aSignal, checkArguments, optional, options as optionsOf } from "../../common/arguments.js";
import { BidoraError } from "../../common/errors.js";
import { aRunConfig, type RunConfig, type RunSettings, refuseWithoutEffect, runOptions } from "../../config/index.js";
import { hubOptions } from "../../io/hub/options.js";
import { resolveModel } from "../../io/resolveModel.js";
import { packageRoot } from "../../torch/installation.js";
import { startOf } from "../adapterStart.js";
import type { RunHooks } from "../watchedRun.js";
import type { Estimate } from "./measureRun.js";
import { errorTold, type Told } from "./told.js";

export type { Estimate } from "./measureRun.js";

const PROCESS = join(packageRoot, "dist", "run", "estimates", "process.js");

const OPTIONS = optionsOf({ hub: optional(hubOptions), signal: aSignal });

/**
 * Says before a run how many parameters it has and trains, how much memory it is going to take, how long a step and how long all of
 * it. A process of its own does what the run does, but of its steps and evaluations only some that cover what batches there are, the
 * heaviest among them; it writes nothing. Time goes on from these in a straight line over the tokens, memory is that process's own
 * peak. What could not be tried within the minute, or would not have fit, is told in `warnings`.
 * @throws BidoraError, UsageError as `finetune` before its first step; `MEMORY` where a step that was tried took too much
 */
export async function estimate(config: RunConfig, options: Pick<RunHooks, "hub" | "signal"> = {}): Promise<Estimate> {
  checkArguments("estimate", ["config", config, aRunConfig], ["options", options, OPTIONS]);
  const { hub, signal } = options;
  signal?.throwIfAborted();
  const { config: decided, adapterFolder } = await startOf(config, hub);
  refuseWithoutEffect(runOptions, config.given, decided);
  const { revision, ...given } = config.given;
  const model = await resolveModel(config.model, { ...hub, ...(revision === undefined ? {} : { revision }) });
  // What is on the disk by now needs no network, and nothing that the caller has for it.
  return inProcess(
    { ...given, model, ...(adapterFolder !== undefined && { adapter: adapterFolder }) },
    hub?.onNote,
    signal,
  );
}

function inProcess(
  settings: RunSettings,
  onNote: ((line: string) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<Estimate> {
  return new Promise((resolve, reject) => {
    const child = fork(PROCESS, [], { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const abort = () => void child.kill("SIGKILL");
    signal?.addEventListener("abort", abort, { once: true });
    child.on("message", (told: Told) => {
      if ("note" in told) onNote?.(told.note);
      else if ("estimate" in told) resolve(told.estimate);
      else reject(errorTold(told.error));
    });
    child.on("error", reject);
    child.on("exit", (status, ended) => {
      signal?.removeEventListener("abort", abort);
      reject(signal?.aborted ? signal.reason : endOf(status, ended));
    });
    child.send(settings);
  });
}

/** Nobody sees a rejection after all has been told. */
function endOf(status: number | null, signal: NodeJS.Signals | null): BidoraError {
  if (signal === "SIGKILL")
    return new BidoraError(
      "MEMORY",
      "The steps that were tried were ended by the system, as it does when memory runs out: take a smaller --batch-size.",
    );
  return new BidoraError("ESTIMATE", `The process that tried some steps ended with ${signal ?? `status ${status}`}.`);
}

import { fork } from "node:child_process";
import { join } from "node:path";
import { BidoraError } from "../../common/errors.js";
import { type RunConfig, type RunSettings, refuseUnused } from "../../config/index.js";
import type { HubOptions } from "../../io/hub/options.js";
import { resolveModel } from "../../io/resolveModel.js";
import { packageRoot } from "../../torch/installation.js";
import { startOf } from "../runInputs.js";
import type { Estimate } from "./measureRun.js";
import { deserializeError, type ProcessMessage } from "./messages.js";

const PROCESS = join(packageRoot, "dist", "run", "estimates", "process.js");

interface EstimateOptions {
  readonly hub?: HubOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Predicts what a run takes, in a separate process. @throws as `estimate` */
export async function estimateRun(config: RunConfig, { hub, signal }: EstimateOptions = {}): Promise<Estimate> {
  signal?.throwIfAborted();
  const { config: decided, adapterFolder } = await startOf(config, hub);
  refuseUnused(config.given, decided);
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
    child.on("message", (told: ProcessMessage) => {
      if ("note" in told) onNote?.(told.note);
      else if ("estimate" in told) resolve(told.estimate);
      else reject(deserializeError(told.error));
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

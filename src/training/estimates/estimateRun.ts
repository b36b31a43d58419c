import { fork } from "node:child_process";
import { join } from "node:path";
import { BidoraError, type CallContext, packageRoot, UsageError } from "../../base/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import type { AskedRun, RunSettings } from "../../tasks/config/index.js";
import { baseFolder, startOf } from "../run/runInputs.js";
import type { Estimate } from "./measureRun.js";
import type { ProcessMessage, SerializedError } from "./process.js";

const PROCESS = join(packageRoot, "dist", "training", "estimates", "process.js");

/** Predicts a run's memory, time and parameter count in a separate process. @throws as `estimate` */
export async function estimateRun(asked: AskedRun, context: HubContext = {}): Promise<Estimate> {
  context.signal?.throwIfAborted();
  const { config, adapterFolder } = await startOf(asked, context);
  const { revision: _, ...given } = config.given;
  const model = await baseFolder(config, context);
  // The model is local by now: the process needs neither the network nor the caller's token.
  return inProcess({ ...given, model, ...(adapterFolder !== undefined && { adapter: adapterFolder }) }, context);
}

function inProcess(settings: RunSettings, { onNote, signal }: CallContext): Promise<Estimate> {
  return new Promise((resolve, reject) => {
    const child = fork(PROCESS, [], { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const abort = () => void child.kill("SIGKILL");
    signal?.addEventListener("abort", abort, { once: true });
    child.on("message", (message: ProcessMessage) => {
      if ("note" in message) onNote?.(message.note);
      else if ("estimate" in message) resolve(message.estimate);
      else reject(deserializeError(message.error));
    });
    child.on("error", reject);
    child.on("exit", (status, ended) => {
      signal?.removeEventListener("abort", abort);
      reject(signal?.aborted ? signal.reason : endOf(status, ended));
    });
    child.send(settings);
  });
}

/** The error for a process that ended without a result. After one, the promise is settled and the rejection has no effect. */
function endOf(status: number | null, signal: NodeJS.Signals | null): BidoraError {
  if (signal === "SIGKILL")
    return new BidoraError(
      "MEMORY",
      "The system killed the process that measured the steps, as it does when memory runs out: use a smaller --batch-size.",
    );
  return new BidoraError("ESTIMATE", `The process that measured the steps ended with ${signal ?? `status ${status}`}.`);
}

/** Restores the error. */
function deserializeError({ code, message, stack }: SerializedError): Error {
  const error = code === undefined ? new Error(message) : known(code, message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

const known = (code: string, message: string): BidoraError =>
  code === "USAGE" ? new UsageError(message) : new BidoraError(code, message);

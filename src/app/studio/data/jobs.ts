/** Work on rows in threads of their own. */
import { totalmem } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { BidoraError, packageRoot } from "../../../base/index.js";
import type { Reporter } from "../works.js";
import type { Converted, ConvertJob } from "./importing/convert.js";
import type { IndexData } from "./indexData.js";
import type { IndexJob } from "./readIndex.js";
import type { SplitCounts, SplitJob } from "./splitRows.js";

export type Job = ConvertJob | IndexJob | SplitJob;

type ResultOf<J extends Job> = J extends ConvertJob ? Converted : J extends IndexJob ? IndexData : SplitCounts;

/** A message of a thread. */
export type Said =
  | { readonly share: number }
  | { readonly result: unknown }
  | { readonly error: { readonly code: string; readonly message: string } };

const THREAD = join(packageRoot, "dist", "app", "studio", "data", "thread.js");

/** The most memory for a thread's values, as a share of the machine's. */
const MEMORY = 0.6;

/** @throws BidoraError as the work does; the signal's reason */
export function runJob<J extends Job>(job: J, { signal, report }: Reporter): Promise<ResultOf<J>> {
  signal.throwIfAborted();
  const maxOldGenerationSizeMb = Math.floor((MEMORY * totalmem()) / 2 ** 20);
  const thread = new Worker(THREAD, { workerData: job, execArgv: [], resourceLimits: { maxOldGenerationSizeMb } });
  return new Promise<ResultOf<J>>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    thread.on("message", (said: Said) => {
      if ("share" in said) report({ share: said.share });
      else if ("result" in said) resolve(said.result as ResultOf<J>);
      else reject(new BidoraError(said.error.code, said.error.message));
    });
    thread.on("error", (error) => reject(faultOf(error)));
    thread.on("exit", () => reject(new BidoraError("STUDIO", "The work on the rows ended without a result.")));
  }).finally(() => void thread.terminate());
}

const faultOf = (error: Error): Error =>
  (error as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY"
    ? new BidoraError("MEMORY", "The rows need more memory than this machine has: split the file into smaller ones.")
    : error;

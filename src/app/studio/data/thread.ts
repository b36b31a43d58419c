/** What runs in a thread of its own, so that pages stay quick: an entry of its own of the bundle. */
import { parentPort, workerData } from "node:worker_threads";
import { BidoraError } from "../../../base/index.js";
import { convert } from "./importing/convert.js";
import type { Job, Said } from "./jobs.js";
import { readIndex } from "./readIndex.js";
import { splitRows } from "./splitRows.js";

/** Milliseconds between two messages on how far it is. */
const INTERVAL = 200;

async function work(job: Job): Promise<void> {
  let last = 0;
  const onShare = (share: number) => {
    if (Date.now() - last < INTERVAL) return;
    last = Date.now();
    say({ share });
  };
  try {
    const result = await resultOf(job, onShare);
    say(
      { result },
      Object.values(result as object).flatMap((part) => (ArrayBuffer.isView(part) ? [part.buffer as ArrayBuffer] : [])),
    );
  } catch (error) {
    if (!(error instanceof BidoraError)) throw error;
    say({ error: { code: error.code, message: error.message } });
  }
}

function resultOf(job: Job, onShare: (share: number) => void): Promise<unknown> | unknown {
  if (job.kind === "convert") return convert(job, onShare);
  return job.kind === "index" ? readIndex(job, onShare) : splitRows(job, onShare);
}

const say = (message: Said, transfer: readonly ArrayBuffer[] = []): void =>
  parentPort?.postMessage(message, [...transfer]);

void work(workerData as Job);

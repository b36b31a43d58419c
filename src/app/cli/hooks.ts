/** What the command line passes to a command in addition to its settings: progress, notes, signals. */

import { type DownloadProgress, isLinkedChild, oneLine, printableJson } from "../../base/index.js";
import type { RunEvent } from "../../base/records/index.js";
import { isLaunched } from "../../torch/distributed/index.js";
import { CHECKPOINT_SIGNAL, CheckpointRequest } from "../../training/index.js";
import { type Command, type Context, contextOf, type HookName, type Hooks } from "../commands/command.js";
import type { Output } from "./output.js";
import { createProgress } from "./progress.js";
import { stderr, stdout } from "./streams.js";

/**
 * Calls `body` with the context of a command, which has the hooks that it takes.
 * @param signal aborted by the first Ctrl-C
 */
export async function withHooks<T>(
  { hooks: names, show, printsDownload }: Pick<Command, "hooks" | "show" | "printsDownload">,
  { output, signal }: { readonly output: Output; readonly signal: AbortSignal },
  body: (context: Context) => Promise<T>,
): Promise<T> {
  const checkpoints = new CheckpointRequest();
  const all: Required<Omit<Hooks, "hub" | "task" | "onEvent">> = {
    signal,
    onNote: output.note,
    onDownload: output.json && printsDownload ? downloadEvents() : downloadProgress(output),
    observers: observersFor(output),
    checkpoints,
    // A comparison that was killed may have left the process that does this run, which is saving its checkpoint. A rank
    // must not wait: the others would count it as lost.
    waits: isLinkedChild && !isLaunched(),
    onPartial: (outcome) => void output.show(show(outcome, stdout.isTTY)),
  };
  const taken = Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name as HookName)));
  const ask = () => checkpoints.ask();
  if (names.includes("checkpoints")) process.on(CHECKPOINT_SIGNAL, ask);
  try {
    return await body(contextOf(taken as Hooks));
  } finally {
    process.off(CHECKPOINT_SIGNAL, ask);
  }
}

/** What a run shows while it trains: progress for people, and with `--json` its events on stdout. */
function observersFor(output: Output): NonNullable<Hooks["observers"]> {
  const progress = output.quiet ? [] : [createProgress(stderr)];
  return output.json ? [...progress, writeEvent] : progress;
}

function writeEvent(event: RunEvent): void {
  stdout.write(`${printableJson(event)}\n`);
}

/** Milliseconds between two lines about a download. */
const DOWNLOAD_INTERVAL = 200;

/** Prints how far a download is as lines of JSON: a few a second, the last state before a pause among them, and the end at once. */
export function downloadEvents(): (progress: DownloadProgress) => void {
  let waiting: DownloadProgress | undefined;
  let timer: NodeJS.Timeout | undefined;
  const print = () => {
    clearTimeout(timer);
    timer = undefined;
    if (!waiting) return;
    const { file, receivedBytes, totalBytes } = waiting;
    waiting = undefined;
    stdout.write(`${printableJson({ event: "download", file, receivedBytes, totalBytes })}\n`);
    timer = setTimeout(print, DOWNLOAD_INTERVAL).unref();
  };
  return (progress) => {
    waiting = progress;
    if (!timer || progress.receivedBytes >= progress.totalBytes) print();
  };
}

/** One line on a terminal that counts the megabytes of a download. */
function downloadProgress(output: Output) {
  return ({ file, receivedBytes, totalBytes }: DownloadProgress): void => {
    if (output.quiet || !stderr.isTTY) return;
    const end = receivedBytes >= totalBytes ? "\n" : "";
    stderr.write(`\r\u001b[K${megabytes(receivedBytes)} of ${megabytes(totalBytes)} MB  ${oneLine(file)}${end}`);
  };
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

// The process with opened models, which answers the studio's questions one after the other, as lines of JSON.
import { createInterface } from "node:readline";
import { onParentExit } from "../../../base/index.js";
import { preloadEngine } from "../../../torch/native/index.js";
import type { Received, Sent } from "./protocol.js";

const tell = (message: Received): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

/** Those that are being answered. */
const running = new Map<number, AbortController>();

async function answer({ id, question }: Extract<Sent, { question: unknown }>): Promise<void> {
  const stopping = new AbortController();
  running.set(id, stopping);
  const { answerTo, openNames } = await import("./answering.js");
  let error: string | undefined;
  try {
    await answerTo(question, (piece) => tell({ id, piece }), stopping.signal);
  } catch (fault) {
    error = fault instanceof Error ? fault.message : String(fault);
  }
  running.delete(id);
  tell({ id, memory: process.memoryUsage.rss(), open: openNames(), ...(error !== undefined && { error }) });
}

preloadEngine();
onParentExit(() => process.exit(1));
const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
lines.on("line", (line) => {
  const sent = JSON.parse(line) as Sent;
  if ("cancel" in sent) running.get(sent.cancel)?.abort();
  else void answer(sent);
});

/** How Ctrl-C and other signals stop a command. */
import { INTERRUPTED, onParentExit } from "../../base/index.js";
import { endAtSecondSignal } from "../../torch/native/index.js";
import type { Output } from "./output.js";
import { leaveClosedTerminal } from "./streams.js";

/** Ctrl-C (SIGINT), SIGTERM and a closed terminal (SIGHUP) while a command runs. */
export interface Interrupts {
  /** Aborted by the first signal: the command saves its state and returns. */
  readonly signal: AbortSignal;
  /** The exit status after the first signal. */
  readonly status: number;
  stop(): void;
}

export const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Milliseconds in which another signal counts as the same one: npx repeats a signal that the terminal has sent to all processes. */
export const SAME = 300;

/**
 * The first signal tells the command to save its state and stop, and so does the end of a process that it must not outlive. A second
 * signal ends it at once.
 * @param isService whether the command runs until it is stopped
 */
export function watchInterrupts(output: Output, isService = false): Interrupts {
  const controller = new AbortController();
  let first: number | undefined;
  let status = INTERRUPTED;
  const onSignal = (name: NodeJS.Signals): void => {
    const now = performance.now();
    if (first !== undefined && now - first >= SAME) {
      leaveClosedTerminal();
      process.exit(INTERRUPTED);
    }
    if (first !== undefined) return;
    first = now;
    if (isService && name === "SIGTERM") status = 0;
    controller.abort();
    const again = name === "SIGINT" ? "; press Ctrl-C again to end at once" : "";
    output.note(`\n${isService ? "Stopping" : "Saving and stopping"}${again}.`);
  };
  const unwatchParent = onParentExit(() => controller.abort());
  for (const signal of SIGNALS) process.on(signal, onSignal);
  // The listeners above are not called while the event loop is blocked.
  const unwatch = endAtSecondSignal(SIGNALS, SAME);
  return {
    signal: controller.signal,
    get status() {
      return status;
    },
    stop: () => {
      unwatch();
      unwatchParent();
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}

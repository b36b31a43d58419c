import { onParentGone } from "../io/lifeline.js";
import { endAtSecondSignal } from "../torch/native.js";
import type { Output } from "./output.js";
import { leaveClosedTerminal } from "./streams.js";

/** Ctrl-C (SIGINT), SIGTERM and a closed terminal (SIGHUP) while a command runs. */
export interface Interrupts {
  /** Aborted by the first signal: the command saves its state and returns. */
  readonly signal: AbortSignal;
  stop(): void;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Milliseconds in which a further signal is the same one: npx passes on what the terminal has sent to all. */
const SAME = 300;

/**
 * The first signal asks the command to stop in good order, as does the end of a process that it must not outlive; a second signal ends
 * it at once.
 */
export function watchInterrupts(output: Output): Interrupts {
  const controller = new AbortController();
  let first: number | undefined;
  const onSignal = (): void => {
    const now = performance.now();
    if (first !== undefined && now - first >= SAME) {
      leaveClosedTerminal();
      process.exit(130);
    }
    if (first !== undefined) return;
    first = now;
    controller.abort();
    output.note("\nStopping in good order; press Ctrl-C again to end at once.");
  };
  const unwatchParent = onParentGone(() => controller.abort());
  for (const signal of SIGNALS) process.on(signal, onSignal);
  // While the event loop stands still, the listeners above are not called.
  const unwatch = endAtSecondSignal(SIGNALS, SAME);
  return {
    signal: controller.signal,
    stop: () => {
      unwatch();
      unwatchParent();
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}

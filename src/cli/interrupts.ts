import type { Output } from "./output.js";

/** Ctrl-C (SIGINT) and SIGTERM while a command runs. */
export interface Interrupts {
  /** Aborted by the first signal: the command saves its state and returns. */
  readonly signal: AbortSignal;
  stop(): void;
}

/** The first signal asks the command to stop in good order; a second one ends the process at once. */
export function watchInterrupts(output: Output): Interrupts {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    output.note("\nStopping in good order; press Ctrl-C again to end at once.");
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return {
    signal: controller.signal,
    stop: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}

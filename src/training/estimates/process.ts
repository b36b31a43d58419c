// The separate process that measures part of a run; its parent sends the settings.

import { BidoraError } from "../../base/index.js";
import type { RunSettings } from "../../tasks/config/index.js";
import { preloadEngine } from "../../torch/native/index.js";
import type { Estimate } from "./measureRun.js";

/** An error that is sent from one process to another. */
export interface SerializedError {
  /** Undefined for an unexpected error. */
  readonly code: string | undefined;
  readonly message: string;
  readonly stack: string | undefined;
}

/** A message of the measuring process: notes for the user, and finally the estimate or an error. */
export type ProcessMessage =
  | { readonly note: string }
  | { readonly estimate: Estimate }
  | { readonly error: SerializedError };

function serializeError(error: unknown): SerializedError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { code: error instanceof BidoraError ? error.code : undefined, message, stack };
}

const tell = (message: ProcessMessage) => new Promise<void>((resolve) => void process.send?.(message, () => resolve()));

async function work(settings: RunSettings): Promise<ProcessMessage> {
  try {
    const { measureRun } = await import("./measureRun.js");
    const onNote = (note: string) => void tell({ note });
    return { estimate: await measureRun({ flags: settings }, { onNote }) };
  } catch (error) {
    return { error: serializeError(error) };
  }
}

preloadEngine();
process.once("disconnect", () => process.exit(1));
process.once("message", (settings: RunSettings) => {
  void work(settings).then(async (message) => {
    await tell(message);
    process.exit(0);
  });
});

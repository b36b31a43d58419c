import { recordFailure } from "../../files/comparisonFolder.js";
import type { Ended } from "./jobs.js";

/** Records why a run failed, as its process said. */
export function keepFailure(output: string, { cell, message, error }: Ended): void {
  const words = error?.message ?? message?.replace(/^bidora: /, "") ?? "its process ended without a message";
  const { code, step } = error ?? {};
  recordFailure(output, cell.folder, {
    reason: words.split("\n")[0] as string,
    ...(code !== undefined && { code }),
    ...(step !== undefined && { step }),
    time: new Date().toISOString(),
  });
}

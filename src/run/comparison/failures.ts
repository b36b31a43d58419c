import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { writeFileAtomic } from "../../io/atomic.js";
import { readJsonObject } from "../../io/json.js";
import type { Cell } from "./cells.js";
import type { Ended } from "./jobs.js";

/** Why runs of a comparison failed, for those whose own log does not tell: they failed before their first step, or were killed. */
const FAILURES = "comparison-failed.json";

/** Why a run failed, as its process told the comparison. */
export interface KnownFailure {
  readonly reason: string;
  readonly code?: string;
  readonly step?: number;
  /** When that was. */
  readonly time: string;
}

/** By a run's folder within the comparison. */
export function failuresIn(output: string): Readonly<Record<string, KnownFailure>> {
  const path = join(output, FAILURES);
  return existsSync(path) ? (readJsonObject(path) as unknown as Record<string, KnownFailure>) : {};
}

export function keepFailure(output: string, { cell, message, error }: Ended): void {
  const words = error?.message ?? message?.replace(/^bidora: /, "") ?? "its process ended without a message";
  const { code, step } = error ?? {};
  const failure = {
    reason: words.split("\n")[0] as string,
    ...(code !== undefined && { code }),
    ...(step !== undefined && { step }),
    time: new Date().toISOString(),
  };
  write(output, { ...failuresIn(output), [relative(output, cell.folder)]: failure });
}

/** A run that begins anew has not failed. */
export function forgetFailure(output: string, { folder }: Cell): void {
  const { [relative(output, folder)]: known, ...others } = failuresIn(output);
  if (known) write(output, others);
}

const write = (output: string, failures: Readonly<Record<string, KnownFailure>>): void =>
  writeFileAtomic(join(output, FAILURES), `${JSON.stringify(failures, undefined, 1)}\n`);

/** How far a comparison is, by its folder. */
import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import {
  EVENTS,
  isComparison,
  isFinished,
  PLAN,
  parsedJson,
  readFailures,
  readPlan,
  writerOf,
} from "../../../base/records/index.js";

export interface ComparisonProgress {
  /** Whether it was started. */
  readonly isPlanned: boolean;
  /** Whether there are results. */
  readonly hasResults: boolean;
  readonly runs: number;
  readonly done: number;
  /** The runs that failed, with the command's sentence. */
  readonly failed: readonly { readonly run: string; readonly reason: string; readonly code?: string | undefined }[];
  /** The process that writes it. */
  readonly writer: number | undefined;
}

export function progressOf(folder: string): ComparisonProgress {
  const isPlanned = existsSync(join(folder, PLAN));
  const planned = isPlanned ? Object.keys(readPlan(folder)) : [];
  const failures = isPlanned ? Object.entries(readFailures(folder)) : [];
  return {
    isPlanned,
    hasResults: isComparison(folder),
    runs: planned.length,
    done: planned.filter((run) => isFinished(join(folder, run))).length,
    failed: failures.map(([run, { reason, code }]) => ({ run, reason: reason.replace(/^bidora: /, ""), code })),
    writer: writerOf(folder)?.pid,
  };
}

/** The share of a comparison's planned steps that are done; those of a running run count too. */
export function shareOf(folder: string): number | undefined {
  const planned = Object.keys(readPlan(folder)).map((run) => join(folder, run));
  if (planned.length === 0) return undefined;
  const shares = planned.map((run) => (isFinished(run) ? 1 : writerOf(run) ? shareOfRun(run) : 0));
  return shares.reduce<number>((sum, share) => sum + share, 0) / planned.length;
}

/** Bytes at the beginning and the end of a log, which have its first and its last event. */
const PIECE = 64 * 1024;

/** The share of a running run's steps that are done, from both ends of its log. */
function shareOfRun(folder: string): number {
  const [first = "", last = ""] = endsOf(join(folder, EVENTS));
  const start = parsedJson(first.slice(0, first.indexOf("\n"))) as { steps?: Record<string, number> } | undefined;
  const planned = Object.values(start?.steps ?? {}).reduce((sum, steps) => sum + steps, 0);
  const step = Number(/.*"step":(\d+)/s.exec(last)?.[1] ?? 0);
  return planned > 0 ? Math.min(1, step / planned) : 0;
}

function endsOf(path: string): string[] {
  if (!existsSync(path)) return [];
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    return [0, Math.max(0, size - PIECE)].map((at) => {
      const piece = Buffer.alloc(Math.min(PIECE, size));
      return piece.toString("utf8", 0, readSync(file, piece, 0, piece.length, at));
    });
  } finally {
    closeSync(file);
  }
}

// The processes in which runs are made.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { ownCommand } from "../../../base/index.js";
import { type ErrorEvent, type RunEvent, recordFailure } from "../../../base/records/index.js";
import { flagOf } from "../../../base/settings/index.js";
import type { RunSettings } from "../../../tasks/config/index.js";
import type { Cell } from "../plan/cells.js";
import { type LauncherName, launcherOf, type StartedRun } from "./launchers.js";

/** The command line that starts or resumes a cell's run; a finished run stays as it is. */
export const commandOf = ({ settings, folder }: Cell): string[] => [
  "finetune",
  ...flagsOf({ ...settings, output: folder }),
  "--resume",
];

export interface EndedRun {
  readonly cell: Cell;
  readonly status: "done" | "stopped" | "failed";
  /** The last line of a failed run's error output, or a note that the run was stopped. */
  readonly message: string | undefined;
  /** The run's `error` event, if it had started. */
  readonly error?: ErrorEvent | undefined;
}

/** What can be asked of a running run; a checkpoint only after its `start` event: before, the signal would kill the process. */
export type JobControls = Pick<StartedRun, "stop" | "checkpoint">;

interface JobHooks {
  readonly launcher: LauncherName;
  /** Stops the running runs, each after a checkpoint. */
  readonly signal: AbortSignal;
  readonly onBegin: (cell: Cell, controls: JobControls) => void;
  readonly onEvent: (cell: Cell, event: RunEvent) => void;
  readonly onEnd: (ended: EndedRun) => void;
}

/** Runs the cells in order, each in a separate process, `jobs` at the same time. */
export async function runCells(cells: readonly Cell[], jobs: number, hooks: JobHooks): Promise<EndedRun[]> {
  const waiting = [...cells];
  const ended: EndedRun[] = [];
  const work = async () => {
    for (let next = waiting.shift(); next && !hooks.signal.aborted; next = waiting.shift()) {
      const end = await runCell(next, hooks);
      ended.push(end);
      hooks.onEnd(end);
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, cells.length) }, work));
  return ended;
}

async function runCell(cell: Cell, { launcher, signal, onBegin, onEvent }: JobHooks): Promise<EndedRun> {
  const job = launcherOf(launcher).start([...ownCommand, ...commandOf(cell), "--json", "--quiet"], cell.folder);
  const { child } = job;
  let isStopped = false;
  const stop = () => {
    isStopped = true;
    job.stop();
  };
  signal.addEventListener("abort", stop, { once: true });
  onBegin(cell, { stop, checkpoint: () => job.checkpoint() });
  const output: string[] = [];
  let error: ErrorEvent | undefined;
  child.stderr.setEncoding("utf8").on("data", (text: string) => output.push(text));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = eventOf(line);
    if (event?.event === "error") error = event;
    if (event) onEvent(cell, event);
  });
  const [code, killedBy] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  signal.removeEventListener("abort", stop);
  if (code === 0) return { cell, status: "done", message: undefined };
  if (isStopped) return { cell, status: "stopped", message: "it was stopped" };
  const printed = job.printed().trim().split("\n");
  error ??= printed.map(eventOf).find((event) => event?.event === "error");
  const said = printed.filter((line) => !eventOf(line));
  const own = said.findLast((line) => line.startsWith("bidora: "));
  const message = own ?? (lastLine(output.join("")) || said.at(-1) || endOf(code, killedBy));
  return { cell, status: "failed", message, error };
}

const lastLine = (text: string): string | undefined => text.trim().split("\n").at(-1);

/** How a process ended that printed no error. */
function endOf(code: number | null, killedBy: NodeJS.Signals | null): string {
  if (killedBy === null) return `its process ended with status ${code} and no message.`;
  const why = killedBy === "SIGKILL" ? ", as the system does when memory runs out" : "";
  return `its process was killed by ${killedBy}${why}.`;
}

function eventOf(line: string): RunEvent | undefined {
  try {
    const value = JSON.parse(line) as RunEvent;
    return typeof value.event === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A run's settings as command-line arguments, which parse to the same settings. */
export function flagsOf(settings: RunSettings): string[] {
  return Object.entries(settings).flatMap(([key, value]) => (value === undefined ? [] : wordsOf(key, value)));
}

function wordsOf(key: string, value: unknown): string[] {
  const flag = flagOf(key);
  if (value === true) return [flag];
  if (value === false) return [flag.replace("--", "--no-")];
  // With a space instead of "=", a value could not begin with two dashes.
  return [`${flag}=${textOf(value)}`];
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(",");
  if (typeof value === "object" && value !== null)
    return Object.entries(value)
      .map(([name, number]) => `${name}=${number}`)
      .join(",");
  return String(value);
}

export function saveFailure(output: string, { cell, message, error }: EndedRun): void {
  const words = error?.message ?? message?.replace(/^bidora: /, "") ?? "its process ended without a message";
  const { code, step } = error ?? {};
  recordFailure(output, cell.folder, {
    reason: words.split("\n")[0]!,
    ...(code !== undefined && { code }),
    ...(step !== undefined && { step }),
    time: new Date().toISOString(),
  });
}

import { once } from "node:events";
import { createInterface } from "node:readline";
import type { RunSettings } from "../config/index.js";
import { recordFailure } from "../files/comparisonFolder.js";
import type { ErrorEvent, RunEvent } from "../files/events.js";
import { spawnWithLifeline } from "../io/lifeline.js";
import { flagOf } from "../settings/option.js";
import { ownCommand } from "../torch/installation.js";
import { CHECKPOINT_SIGNAL } from "../train/checkpoints.js";
import type { Cell } from "./cells.js";

/** The words of the command that does a cell's run, or goes on with it; a run that has ended is left as it is. */
export const commandOf = ({ settings, folder }: Cell): string[] => [
  "finetune",
  ...flagsOf({ ...settings, output: folder }),
  "--resume",
];

/** How a run's process ended. */
export interface EndedRun {
  readonly cell: Cell;
  readonly status: "done" | "stopped" | "failed";
  /** Of a run that failed, its last words; of a stopped one that it was. */
  readonly message: string | undefined;
  /** What it told of its failure, where it had begun. */
  readonly error?: ErrorEvent | undefined;
}

/** What can be done to a run that goes on. */
export interface JobControls {
  /** Ends it in good order. */
  stop(): void;
  /** Has it save a checkpoint. It must have told that it has started: before that, the signal would end it. */
  checkpoint(): void;
}

export interface JobHooks {
  /** Ends what runs in good order, each run with a checkpoint. */
  readonly signal: AbortSignal;
  /** Told what runs tell, and when they end. */
  readonly onBegin: (cell: Cell, controls: JobControls) => void;
  readonly onEvent: (cell: Cell, event: RunEvent) => void;
  readonly onEnd: (ended: EndedRun) => void;
}

/** Does the runs of cells, so many at once, each in a process of its own, in their order. */
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

async function runCell(cell: Cell, { signal, onBegin, onEvent }: JobHooks): Promise<EndedRun> {
  const [program, ...words] = [...ownCommand, ...commandOf(cell), "--json", "--quiet"];
  const child = spawnWithLifeline(program as string, words);
  let isStopped = false;
  const stop = () => {
    isStopped = true;
    child.kill("SIGINT");
  };
  signal.addEventListener("abort", stop, { once: true });
  onBegin(cell, { stop, checkpoint: () => child.kill(CHECKPOINT_SIGNAL) });
  const said: string[] = [];
  let error: ErrorEvent | undefined;
  child.stderr.setEncoding("utf8").on("data", (text: string) => said.push(text));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = eventOf(line);
    if (event?.event === "error") error = event;
    if (event) onEvent(cell, event);
  });
  const [code, killedBy] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  signal.removeEventListener("abort", stop);
  if (code === 0) return { cell, status: "done", message: undefined };
  if (isStopped) return { cell, status: "stopped", message: "it was stopped" };
  const message = said.join("").trim().split("\n").at(-1) || endOf(code, killedBy);
  return { cell, status: "failed", message, error };
}

/** How a process ended that said nothing itself. */
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

/** A run's settings as the words of a command line, which say the same again when they are read. */
export function flagsOf(settings: RunSettings): string[] {
  return Object.entries(settings).flatMap(([key, value]) => (value === undefined ? [] : wordsOf(key, value)));
}

function wordsOf(key: string, value: unknown): string[] {
  const flag = flagOf(key);
  if (value === true) return [flag];
  if (value === false) return [flag.replace("--", "--no-")];
  // A word of its own may not begin with two dashes.
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

/** Words as a POSIX shell takes them. */
export const shellLine = (words: readonly string[]): string => words.map(quoted).join(" ");

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Records why a run failed, as its process said. */
export function saveFailure(output: string, { cell, message, error }: EndedRun): void {
  const words = error?.message ?? message?.replace(/^bidora: /, "") ?? "its process ended without a message";
  const { code, step } = error ?? {};
  recordFailure(output, cell.folder, {
    reason: words.split("\n")[0] as string,
    ...(code !== undefined && { code }),
    ...(step !== undefined && { step }),
    time: new Date().toISOString(),
  });
}

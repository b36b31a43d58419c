import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** What tells one process from every other, a later one with the same number included. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In clock ticks since the machine's start. */
  readonly start: string;
  /** Names this start of the machine. */
  readonly boot: string;
  readonly host: string;
}

/** Where the system does not tell. */
const UNKNOWN = "-";

export function thisProcess(): ProcessIdentity {
  const start = statOf(process.pid)?.start ?? UNKNOWN;
  return { pid: process.pid, start, boot: bootId(), host: hostname() };
}

/** Whether the process may still be running: one of another host always may, since it can't be seen from here. */
export function mayBeAlive(owner: ProcessIdentity): boolean {
  if (owner.host !== hostname()) return true;
  if (owner.boot !== bootId()) return false;
  const stat = statOf(owner.pid);
  return stat ? stat.start === owner.start && stat.isRunning : isAlive(owner.pid);
}

/** Whether any process has this number now. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Fields 3 and 22 of `/proc/PID/stat`; the name before them may hold spaces and brackets. */
function statOf(pid: number): { readonly start: string; readonly isRunning: boolean } | undefined {
  const text = readIfThere(`/proc/${pid}/stat`);
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, start] = [fields?.[0], fields?.[19]];
  return state && start ? { start, isRunning: !"ZX".includes(state) } : undefined;
}

const bootId = (): string => readIfThere("/proc/sys/kernel/random/boot_id")?.trim() || UNKNOWN;

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

// Locks on folders, so that only one process writes to a folder.
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BidoraError } from "../errors.js";
import { makeFolder, writeFailure } from "../fileSystem.js";

/*
 * To lock a folder, a process creates an empty file in it whose name identifies the process, then looks for files of other processes.
 * Of two processes at the same time at least one sees the other, so never both continue. A process that sees another removes its file
 * and tries again after a pause. No name is used twice, so removing a dead process's file can't affect a running one.
 */

const PREFIX = ".bidora-lock";
const NAME = /^\.bidora-lock\.(\d+)\.([^.]+)\.([^.]+)\.[0-9a-f]{12}\.(.+)$/;
const ATTEMPTS = 5;
const LONGEST_PAUSE_MS = 80;
const WAITING_PAUSE_MS = 500;

/** Whether a file name is that of a lock. */
export const isLock = (name: string): boolean => NAME.test(name);

/** What to do if another process of this machine has locked the folder. */
export interface Waiting {
  /** Wait for the other process instead of an error. */
  readonly waits: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Locks a folder while `body` runs. Folders that were created for it are removed again if they stay empty.
 * @throws BidoraError `LOCKED` if another process, or another call in this one, holds the lock and is not waited for
 */
export async function holdFolder<T>(
  folder: string,
  body: () => Promise<T>,
  waiting: Waiting = { waits: false },
): Promise<T> {
  const release = await lock(folder, waiting);
  try {
    return await body();
  } finally {
    release();
  }
}

async function lock(folder: string, { waits, signal }: Waiting): Promise<() => void> {
  for (let attempt = 1; ; attempt++) {
    const release = announce(folder);
    const other = release && otherOwner(folder, release.file);
    if (release && !other) return release.now;
    release?.now();
    // A process on another machine can't be checked, so waiting for it might never end.
    const isWaitedFor = waits && other?.host === hostname() && other.pid !== process.pid;
    if (attempt >= ATTEMPTS && !isWaitedFor) throw locked(folder, other);
    const pause = attempt < ATTEMPTS ? LONGEST_PAUSE_MS : WAITING_PAUSE_MS;
    await sleep(pause * (0.25 + 0.75 * Math.random()), undefined, { signal });
  }
}

interface Release {
  readonly file: string;
  now(): void;
}

/** Undefined if the folder was removed meanwhile, because another process released its lock. */
function announce(folder: string): Release | undefined {
  try {
    const made = makeFolder(folder);
    const file = lockName(thisProcess());
    closeSync(openSync(join(folder, file), "wx"));
    return { file, now: heldUntilExit(() => leave(folder, file, made)) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw writeFailure(folder, error);
  }
}

function leave(folder: string, file: string, made: string | undefined): void {
  try {
    rmSync(join(folder, file), { force: true });
  } catch {
    return; // The folder is gone, and its lock with it. The result of the work is more important.
  }
  if (made === undefined) return;
  try {
    for (let path = folder; path.length >= made.length; path = dirname(path)) rmdirSync(path);
  } catch {
    // The folder is not empty: it stays.
  }
}

const held = new Set<() => void>();

/** Releases once: on the call, or when the process exits. */
function heldUntilExit(release: () => void): () => void {
  if (held.size === 0) process.on("exit", releaseAll);
  held.add(release);
  return () => {
    if (held.delete(release)) release();
    if (held.size === 0) process.off("exit", releaseAll);
  };
}

function releaseAll(): void {
  for (const release of held) release();
}

interface Owner extends ProcessIdentity {
  readonly file: string;
}

function otherOwner(folder: string, own: string): Owner | undefined {
  for (const owner of ownersIn(folder)) {
    if (owner.file === own) continue;
    if (mayBeAlive(owner)) return owner;
    rmSync(join(folder, owner.file), { force: true });
  }
  return undefined;
}

const ownersIn = (folder: string): Owner[] => readdirSync(folder).flatMap((file) => ownerOf(file) ?? []);

/** The process that has locked a folder, as far as this machine can tell, or undefined. */
export function writerOf(folder: string): ProcessIdentity | undefined {
  return existsSync(folder) ? ownersIn(folder).find(mayBeAlive) : undefined;
}

function lockName({ pid, start, boot, host }: ProcessIdentity): string {
  return [PREFIX, pid, start, boot, randomBytes(6).toString("hex"), encodeURIComponent(host)].join(".");
}

function ownerOf(file: string): Owner | undefined {
  const [, pid, start, boot, host] = NAME.exec(file) ?? [];
  if (pid === undefined || start === undefined || boot === undefined || host === undefined) return undefined;
  return { pid: Number(pid), start, boot, host: decodeHost(host), file };
}

/** A name from another program may not be decodable. */
function decodeHost(host: string): string {
  try {
    return decodeURIComponent(host);
  } catch {
    return host;
  }
}

function locked(folder: string, owner: Owner | undefined): BidoraError {
  const { pid, host } = thisProcess();
  if (owner === undefined) return new BidoraError("LOCKED", `${folder} keeps being removed: name another --output.`);
  if (owner.host !== host) {
    return new BidoraError(
      "LOCKED",
      `${folder} is being written by process ${owner.pid} on the machine ${owner.host}: wait until it ends or name another --output; if it is gone, remove ${join(folder, owner.file)}.`,
    );
  }
  const who = owner.pid === pid ? `another call of this process (${pid})` : `process ${owner.pid}`;
  return new BidoraError(
    "LOCKED",
    `${folder} is being written by ${who}: wait until it ends, or name another --output.`,
  );
}

/** Identifies a process, also among later processes with the same number. */
interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from the machine's boot to the process's start. */
  readonly start: string;
  /** The kernel's boot id. */
  readonly boot: string;
  readonly host: string;
}

/** The value if the system does not provide one. */
const UNKNOWN = "-";

export function thisProcess(): ProcessIdentity {
  const start = statOf(process.pid)?.start ?? UNKNOWN;
  return { pid: process.pid, start, boot: bootId(), host: hostname() };
}

/** Whether the process may still be running. A process on another host can't be checked, so it may. */
export function mayBeAlive(owner: ProcessIdentity): boolean {
  if (owner.host !== hostname()) return true;
  if (owner.boot !== bootId()) return false;
  const stat = statOf(owner.pid);
  return stat ? stat.start === owner.start && stat.isRunning : isAlive(owner.pid);
}

/** Whether any process has this number now. One that has ended counts as gone, also while its parent has not collected its status. */
export function isAlive(pid: number): boolean {
  const stat = statOf(pid);
  if (stat) return stat.isRunning;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Fields 3 and 22 of `/proc/PID/stat`. The name before them may contain spaces and brackets. */
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

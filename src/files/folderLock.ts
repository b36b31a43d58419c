import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BidoraError } from "../common/errors.js";
import { makeFolder, writeFailure } from "../common/fileSystem.js";

/*
 * Who wants a folder puts an empty file into it whose name says who it is, then looks for those of others. Of two that come at
 * once at least one sees the other, so that never both go on; who sees another takes its own away, and tries again a little later.
 * No name is ever used twice, so that removing a dead one's can't hit a living one's.
 */

const PREFIX = ".bidora-lock";
const NAME = /^\.bidora-lock\.(\d+)\.([^.]+)\.([^.]+)\.[0-9a-f]{12}\.(.+)$/;
const ATTEMPTS = 5;
const LONGEST_PAUSE_MS = 80;
const WAITING_PAUSE_MS = 500;

/** True for a name that a lock's file has. */
export const isLock = (name: string): boolean => NAME.test(name);

/** What is done where another process of this machine has the folder. */
export interface Waiting {
  /** Waits for its end in the place of an error. */
  readonly waits: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Keeps a folder to one writer while `body` runs; folders that are made for it and stay empty go again.
 * @throws BidoraError `LOCKED` when another process, or another call in this one, has it and is not waited for
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
    // Whether one on another machine still lives can't be seen: it might be waited for in vain.
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

/** Undefined when the folder went away under our hands, because another took its lock out of it. */
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
    return; // The folder is gone, and its lock with it: what the work has to say comes first.
  }
  if (made === undefined) return;
  try {
    for (let path = folder; path.length >= made.length; path = dirname(path)) rmdirSync(path);
  } catch {
    // Something has been put there: the folder stays.
  }
}

const held = new Set<() => void>();

/** The release is done once: when it is called, or when the process ends. */
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

/** The process that has a folder now, as far as can be seen from here; undefined where none has. */
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

/** A name of another program's making may not be decodable. */
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
      `${folder} is being written by process ${owner.pid} on the machine ${owner.host}: wait for its end or name another --output; if it is gone, remove ${join(folder, owner.file)}.`,
    );
  }
  const who = owner.pid === pid ? `another call of this process (${pid})` : `process ${owner.pid}`;
  return new BidoraError("LOCKED", `${folder} is being written by ${who}: wait for its end, or name another --output.`);
}

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

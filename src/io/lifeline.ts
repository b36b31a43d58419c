import { type ChildProcess, spawn } from "node:child_process";
import { Socket } from "node:net";
import type { Readable } from "node:stream";

/*
 * A child that must not outlive its parent inherits one end of a pipe; the system closes the other end when the parent is gone,
 * however it went. A variable tells the child that it has such a pipe, so that no other process takes a file of its own for one.
 */

const VARIABLE = "BIDORA_LIFELINE";
const DESCRIPTOR = 3;

const inherited = process.env[VARIABLE];
// What this process starts in its turn has no such pipe.
delete process.env[VARIABLE];

/** Whether this process was started by one that it must not outlive. */
export const hasLifeline = inherited === String(DESCRIPTOR);

/**
 * Starts a child that is told when this process is gone, in a process group of its own: the terminal's Ctrl-C reaches it once, through
 * this process.
 */
export function spawnWithLifeline(program: string, words: readonly string[]): ChildProcess & Printing {
  const env = { ...process.env, [VARIABLE]: String(DESCRIPTOR) };
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe", "pipe"], env, detached: true });
  // The child may go first, which is no error here.
  child.stdio[DESCRIPTOR]?.on("error", () => {});
  return child as ChildProcess & Printing;
}

interface Printing {
  readonly stdout: Readable;
  readonly stderr: Readable;
}

/** Calls `listener` once when the parent is gone; never in a process without a lifeline. @returns what takes the watch off */
export function onParentGone(listener: () => void): () => void {
  const pipe = hasLifeline ? opened() : undefined;
  pipe?.once("close", listener).resume().unref();
  return () => void pipe?.off("close", listener).destroy();
}

/** Undefined where something else has taken the descriptor: then nothing is known of the parent. */
function opened(): Socket | undefined {
  try {
    return new Socket({ fd: DESCRIPTOR, readable: true, writable: false }).on("error", () => {});
  } catch {
    return undefined;
  }
}

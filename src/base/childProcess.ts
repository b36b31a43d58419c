import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { Socket } from "node:net";
import { delimiter, join } from "node:path";
import type { Readable } from "node:stream";

/*
 * A linked child ends when its parent does. It inherits one end of a pipe, whose other end the system closes when the parent exits,
 * however it exits. An environment variable says that there is such a pipe, so that no other process takes an open file for one.
 */

const VARIABLE = "BIDORA_PARENT_PIPE";
const DESCRIPTOR = 3;

const inherited = process.env[VARIABLE];
// Processes that this one starts have no such pipe.
delete process.env[VARIABLE];

/** Whether this process is a linked child. */
export const isLinkedChild = inherited === String(DESCRIPTOR);

/**
 * Starts a linked child in a process group of its own, so that the terminal's Ctrl-C reaches it once, through this process.
 */
export const spawnLinkedChild = (program: string, words: readonly string[]): ChildProcess & Printing =>
  spawnLinked(program, words, ["ignore", "pipe", "pipe"]) as ChildProcess & Printing;

type Stream = "ignore" | "inherit" | "pipe";

/** The same with other streams, variables in addition to this process's, and a working folder of its own. */
export function spawnLinked(
  program: string,
  words: readonly string[],
  streams: readonly [stdin: Stream, stdout: Stream, stderr: Stream],
  variables: Readonly<Record<string, string>> = {},
  cwd?: string,
): ChildProcess {
  const env = { ...process.env, ...variables, [VARIABLE]: String(DESCRIPTOR) };
  const child = spawn(program, words, { stdio: [...streams, "pipe"], env, cwd, detached: true });
  // The child may exit first, which is no error.
  child.stdio[DESCRIPTOR]?.on("error", () => {});
  return child;
}

interface Printing {
  readonly stdout: Readable;
  readonly stderr: Readable;
}

/** Calls `listener` once when the parent has exited; never in a process that is no linked child. @returns a function that removes it */
export function onParentExit(listener: () => void): () => void {
  const pipe = isLinkedChild ? opened() : undefined;
  pipe?.once("close", listener).resume().unref();
  return () => void pipe?.off("close", listener).destroy();
}

/** Undefined if something else has taken the descriptor: nothing is known of the parent then. */
function opened(): Socket | undefined {
  try {
    return new Socket({ fd: DESCRIPTOR, readable: true, writable: false }).on("error", () => {});
  } catch {
    return undefined;
  }
}

/** Whether the shell finds a program by its name. */
export const isOnPath = (program: string): boolean =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

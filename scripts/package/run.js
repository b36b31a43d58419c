// Other programs, and what ends the packing: a sentence for the user, or an interruption.
import { spawn } from "node:child_process";

/** Ends the packing with its message alone. */
export class Refusal extends Error {}

const interruption = new AbortController();

/** Aborted when the user interrupts: what was begun is removed then. */
export const interrupted = interruption.signal;

export function catchSignals() {
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]))
    process.once(signal, () => interruption.abort(new Refusal(`interrupted by ${signal}`)));
}

/** @typedef {{ status: number, output: string, errors: string }} Outcome */

/**
 * Runs a program to its end.
 * @param {string} program
 * @param {readonly string[]} words
 * @param {{ cwd?: string, log?: number }} [options] `log`: the descriptor of the file that gets all of the output
 * @returns {Promise<Outcome | undefined>} undefined if there is no such program
 */
export function outcomeOf(program, words, { cwd, log } = {}) {
  interrupted.throwIfAborted();
  return new Promise((resolve, reject) => {
    // In a process group of its own: an interruption ends the compilers that a program has started, too.
    const child = spawn(program, words, { cwd, stdio: ["ignore", log ?? "pipe", log ?? "pipe"], detached: true });
    const stop = () => child.pid && child.exitCode === null && process.kill(-child.pid, "SIGTERM");
    interrupted.addEventListener("abort", stop);
    let [output, errors] = ["", ""];
    child.stdout?.on("data", (chunk) => (output += chunk));
    child.stderr?.on("data", (chunk) => (errors += chunk));
    child.on("error", (error) => {
      interrupted.removeEventListener("abort", stop);
      if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") resolve(undefined);
      else reject(error);
    });
    child.on("close", (status) => {
      interrupted.removeEventListener("abort", stop);
      if (interrupted.aborted) reject(interrupted.reason);
      else resolve({ status: status ?? 1, output, errors });
    });
  });
}

/**
 * The standard output of a program that must succeed.
 * @param {string} program
 * @param {readonly string[]} words
 * @param {{ cwd?: string }} [options]
 */
export async function outputOf(program, words, options) {
  const outcome = await outcomeOf(program, words, options);
  if (!outcome) throw new Refusal(`${program} is not installed`);
  if (outcome.status === 0) return outcome.output;
  throw new Refusal(`${program} ${words[0]} failed:\n${(outcome.errors || outcome.output).trim().slice(-2000)}`);
}

// What the set-up asks of the system: programs, packages, consent.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { isOnPath } from "../../base/index.js";

/** The system as the set-up sees it. */
export interface System {
  readonly isRoot: boolean;
  /** Whether the user can be asked. */
  readonly isTerminal: boolean;
  /** Whether a program is on the PATH. */
  has(program: string): boolean;
  /** Whether a Debian package is installed. */
  hasPackage(name: string): boolean;
  /** Runs a program whose output the user sees on stderr. @returns its exit status */
  run(program: string, words: readonly string[], environment?: Readonly<Record<string, string>>): Promise<number>;
  /** Runs a program for its output; undefined if it can't be run or fails. */
  output(program: string, words: readonly string[]): string | undefined;
  ask(question: string): Promise<string>;
}

const STDERR = 2;

/** This system. */
export const thisSystem: System = {
  isRoot: process.getuid?.() === 0,
  isTerminal: Boolean(process.stdin.isTTY && process.stderr.isTTY),
  has: isOnPath,
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own syntax
  hasPackage: (name) => thisSystem.output("dpkg-query", ["-W", "-f=${db:Status-Status}", name]) === "installed",
  async run(program, words, environment = {}) {
    const child = spawn(program, words, {
      stdio: ["inherit", STDERR, STDERR],
      env: { ...process.env, ...environment },
    });
    const [status] = await once(child, "close").catch(() => [1]);
    return (status as number | null) ?? 1;
  },
  output(program, words) {
    const { status, stdout } = spawnSync(program, words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return status === 0 ? stdout.trim() : undefined;
  },
  async ask(question) {
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return await terminal.question(question);
    } finally {
      terminal.close();
    }
  },
};

/** stdout and stderr, to which a command can always write. */
import { closeSync, openSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { isatty } from "node:tty";

/** The part of a Node stream that is used here. */
export interface Target {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly writableLength: number;
  write(text: string, done?: () => void): unknown;
  on(event: "error", listener: (error: NodeJS.ErrnoException) => void): unknown;
}

/**
 * A stream that never makes a command fail: what can't be written to a closed terminal, a full disk or a closed pipe is lost. Node's
 * streams throw for some of these, and emit an error later for others.
 */
export class Printer {
  #target: Target | undefined;
  #lost: NodeJS.ErrnoException | undefined;

  constructor(readonly open: () => Target) {}

  get isTTY(): boolean {
    return this.#opened?.isTTY ?? false;
  }

  get columns(): number | undefined {
    return this.#opened?.columns;
  }

  write(text: string): void {
    this.#attempt((target) => target.write(text));
  }

  /** Waits until everything is written. @returns why something was lost, or undefined */
  async settled(): Promise<NodeJS.ErrnoException | undefined> {
    await nextTurn();
    const target = this.#target;
    if (target && !this.#lost && target.writableLength > 0)
      await new Promise<void>((resolve) => {
        target.on("error", () => resolve());
        this.#attempt(() => target.write("", resolve));
      });
    return this.#lost;
  }

  get #opened(): Target | undefined {
    if (this.#target) return this.#target;
    try {
      this.#target = this.open();
      this.#target.on("error", (error) => {
        this.#lost ??= error;
      });
    } catch (error) {
      this.#lost ??= error as Error;
    }
    return this.#target;
  }

  #attempt(write: (target: Target) => void): void {
    const target = this.#opened;
    if (!target || this.#lost) return;
    try {
      write(target);
    } catch (error) {
      this.#lost ??= error as Error;
    }
  }
}

/** For results. */
export const stdout = new Printer(() => process.stdout);

/** For people. */
export const stderr = new Printer(() => process.stderr);

const terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor));

/** Node aborts at exit if it can't restore the mode of a terminal that is gone, unless another file has its descriptor. */
export function leaveClosedTerminal(): void {
  for (const descriptor of terminals) {
    if (isatty(descriptor)) continue;
    closeSync(descriptor);
    // This gets the lowest free descriptor, which is the one just closed.
    openSync("/dev/null", "r+");
  }
}

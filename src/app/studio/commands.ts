/** bidora's commands in processes of their own, started in the studio's folder. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { BidoraError, ownCommand, shellLine, spawnLinked } from "../../base/index.js";

/** A command that runs. */
export interface RunningCommand {
  /** Resolves when it has ended well. @rejects BidoraError with its own sentence */
  readonly done: Promise<void>;
  /** Ends it as Ctrl-C does: training saves its state first. */
  stop(): void;
  /** Sends it a signal. */
  kill(signal: NodeJS.Signals): void;
}

interface Listeners {
  /** Receives each value of `--json`. */
  readonly onValue?: (value: unknown) => void;
  /** Receives each line for people. */
  readonly onNote?: (line: string) => void;
}

/** The command line as people type it in the studio's folder. */
export const commandLine = (words: readonly string[]): string => shellLine(["npx", "bidora", ...words]);

export class Commands {
  readonly #running = new Set<RunningCommand>();

  /** @param folder in which they are started */
  constructor(private readonly folder: string) {}

  /** @param words the command and its flags; `--json` is added */
  start(words: readonly string[], { onValue, onNote }: Listeners = {}): RunningCommand {
    const [program, ...own] = ownCommand;
    const child = spawnLinked(
      program!,
      [...own, ...words, "--json"],
      ["ignore", "pipe", "pipe"],
      variablesFor(words),
      this.folder,
    );
    let [said, isStopped] = ["", false];
    createInterface({ input: child.stdout! }).on("line", (line) => onValue?.(parsed(line)));
    createInterface({ input: child.stderr! }).on("line", (line) => {
      said = line;
      onNote?.(line);
    });
    const stop = () => {
      isStopped = true;
      child.kill("SIGINT");
    };
    const running: RunningCommand = {
      stop,
      kill: (signal) => void child.kill(signal),
      done: once(child, "close").then(([code, signal]) => {
        this.#running.delete(running);
        if (code !== 0)
          throw new BidoraError(isStopped ? "STOPPED" : "STUDIO", sentence(said, code, signal, isStopped));
      }),
    };
    // Who started it may look at its end later.
    running.done.catch(() => {});
    this.#running.add(running);
    return running;
  }

  /** Runs a command to its end. @returns the values of `--json` @throws BidoraError with its own sentence; the signal's reason */
  async run(words: readonly string[], signal?: AbortSignal, onNote?: Listeners["onNote"]): Promise<unknown[]> {
    signal?.throwIfAborted();
    const values: unknown[] = [];
    const running = this.start(words, { onValue: (value) => values.push(value), ...(onNote && { onNote }) });
    signal?.addEventListener("abort", running.stop, { once: true });
    try {
      await running.done;
    } finally {
      signal?.removeEventListener("abort", running.stop);
    }
    return values;
  }

  /** Stops all, and waits for them. */
  async close(): Promise<void> {
    const all = [...this.#running];
    for (const { stop } of all) stop();
    await Promise.allSettled(all.map(({ done }) => done));
  }
}

/** For processes that take models from the cache as they are: nothing leaves the machine, and none waits for the Hub. */
export const OFFLINE = { HF_HUB_OFFLINE: "1" } as const;

const variablesFor = ([command]: readonly string[]) => (command === "download" ? {} : OFFLINE);

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

function sentence(said: string, code: number | null, signal: NodeJS.Signals | null, isStopped: boolean): string {
  if (isStopped) return "It was stopped.";
  if (said.startsWith("bidora: ")) return said.slice("bidora: ".length);
  if (signal === "SIGKILL") return "Its process was killed, as the system does when memory runs out.";
  return said || `Its process ended with status ${code ?? signal}, and no message.`;
}

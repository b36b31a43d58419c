/** A server for a run's model, by `bidora serve` in a process of its own. */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { BidoraError, ownCommand, spawnLinked } from "../../../base/index.js";
import { type FinishedRun, modelFlags } from "../answers/finishedRuns.js";
import { OFFLINE } from "../commands.js";

/** What is known of the server. */
export interface ServerState {
  /** The run's name, which is the model's in requests too. */
  readonly run: string;
  readonly state: "opening" | "running" | "ended";
  /** Without a slash at its end; known once it runs. */
  readonly url?: string | undefined;
  /** Why it has ended. */
  readonly problem?: string | undefined;
}

/** The command, without a port. */
export const serveWords = (run: FinishedRun): readonly string[] => ["serve", ...modelFlags(run)];

export class Serving {
  #child: ChildProcess | undefined;
  #state: ServerState | undefined;

  /** @param folder the studio's */
  constructor(
    private readonly folder: string,
    private readonly onChange: () => void,
  ) {}

  /** Undefined before the first start, and after a stop. */
  get state(): ServerState | undefined {
    return this.#state;
  }

  /** Starts it on a free port of this machine. @throws BidoraError `STUDIO` while another one runs */
  start(run: FinishedRun): void {
    if (this.#child)
      throw new BidoraError("STUDIO", `A server for ${this.#state?.run} is running: stop it before you start another.`);
    const [program, ...own] = ownCommand;
    const words = [...own, ...serveWords(run), "--port", "0"];
    const child = spawnLinked(program!, words, ["ignore", "pipe", "pipe"], OFFLINE, this.folder);
    this.#child = child;
    this.#set({ run: run.name, state: "opening" });
    let said = "";
    const read = (line: string) => {
      said = line;
      const url = /^Listening on (http:\S+)/.exec(line)?.[1];
      if (url !== undefined) this.#set({ run: run.name, state: "running", url });
    };
    createInterface({ input: child.stdout! }).on("line", read);
    createInterface({ input: child.stderr! }).on("line", read);
    child.on("close", (code) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      const problem = said.replace(/^bidora: /, "") || `Its process ended with status ${code}.`;
      this.#set({ run: run.name, state: "ended", problem });
    });
  }

  /** Ends it; requests that are being answered end with an error. */
  async close(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    this.#state = undefined;
    if (!child) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGTERM");
    await ended;
    this.onChange();
  }

  #set(state: ServerState): void {
    this.#state = state;
    this.onChange();
  }
}

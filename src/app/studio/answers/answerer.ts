/** The process with opened models, as the studio speaks to it: started by the first question, ended after a while without one. */
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { BidoraError, packageRoot, spawnLinked } from "../../../base/index.js";
import { OFFLINE } from "../commands.js";
import type { Piece, Question, Received, Sent } from "./protocol.js";

const PROCESS = join(packageRoot, "dist", "app", "studio", "answers", "process.js");
/** Milliseconds without a question after which the models are closed. */
const PATIENCE = 10 * 60_000;

interface Hooks {
  readonly onPiece: (piece: Piece) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What is known of the process. */
export interface Held {
  /** The names of the open models. */
  readonly open: readonly string[];
  /** Of the whole process, in bytes. */
  readonly memory: number;
}

interface Waiting extends Hooks {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Answerer {
  #child: ChildProcess | undefined;
  #held: Held | undefined;
  /** The end of all questions so far. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting: Waiting | undefined;
  #asked = 0;
  #idle: NodeJS.Timeout | undefined;
  #isClosing = false;

  /**
   * @param folder the studio's, in which models are opened
   * @param onChange is called when models were opened or closed
   */
  constructor(
    private readonly folder: string,
    private readonly onChange: () => void = () => {},
    private readonly patience = PATIENCE,
  ) {}

  /** Undefined while no process runs, or before its first answer. */
  get held(): Held | undefined {
    return this.#held;
  }

  /** The process that runs; undefined if none does. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Asks, after all earlier questions.
   * @throws BidoraError of a question that can't be answered, `STUDIO` if the process ends; the signal's reason
   */
  ask(question: Question, hooks: Hooks): Promise<void> {
    const asked = this.#last.then(() => {
      hooks.signal?.throwIfAborted();
      return this.#askNow(question, hooks);
    });
    this.#last = asked.catch(() => {});
    return asked;
  }

  /** Closes the models. A question that is being answered fails. */
  async close(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#isClosing = true;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  #askNow(question: Question, hooks: Hooks): Promise<void> {
    clearTimeout(this.#idle);
    this.#child ??= this.#started();
    const { stdin } = this.#child;
    const id = ++this.#asked;
    const send = (message: Sent) => void stdin!.write(`${JSON.stringify(message)}\n`);
    const cancel = () => send({ cancel: id });
    return new Promise<void>((resolve, reject) => {
      this.#waiting = { ...hooks, resolve, reject };
      hooks.signal?.addEventListener("abort", cancel, { once: true });
      send({ id, question });
    }).finally(() => {
      hooks.signal?.removeEventListener("abort", cancel);
      this.#waiting = undefined;
      this.#idle = setTimeout(() => void this.close(), this.patience).unref();
    });
  }

  #started(): ChildProcess {
    const child = spawnLinked(process.execPath, [PROCESS], ["pipe", "pipe", "pipe"], OFFLINE, this.folder);
    let said = "";
    child.stdin!.on("error", () => {});
    createInterface({ input: child.stdout! }).on("line", (line) => this.#receive(line));
    createInterface({ input: child.stderr! }).on("line", (line) => {
      said = line;
    });
    child.on("error", (error) => this.#ended(child, error.message));
    child.on("close", (code, signal) => this.#ended(child, causeOf(code, signal, said)));
    return child;
  }

  #receive(line: string): void {
    const message = JSON.parse(line) as Received;
    if (message.id !== this.#asked) return;
    if ("piece" in message) {
      this.#waiting?.onPiece(message.piece);
      return;
    }
    const { memory, open, error } = message;
    this.#held = { memory, open };
    const { signal, resolve, reject } = this.#waiting ?? {};
    if (signal?.aborted) reject?.(signal.reason);
    else if (error === undefined) resolve?.();
    else reject?.(new BidoraError("STUDIO", error));
    this.onChange();
  }

  #ended(child: ChildProcess, cause: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#held = undefined;
    const why = this.#isClosing ? "it was closed" : cause;
    this.#isClosing = false;
    const sentence = `The process with the opened models has ended (${why}): ask again, and they are opened again.`;
    this.#waiting?.reject(new BidoraError("STUDIO", sentence));
    this.onChange();
  }
}

function causeOf(code: number | null, signal: NodeJS.Signals | null, said: string): string {
  if (signal === "SIGKILL") return "it was killed, as the system does when memory runs out";
  return said || (signal ?? `status ${code}`);
}

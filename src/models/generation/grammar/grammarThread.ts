// A grammar in a thread of its own.

import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { BidoraError, packageRoot } from "../../../base/index.js";
import type { GrammarQuestion, Reply, ThreadData } from "./thread.js";

const THREAD = join(packageRoot, "dist", "models", "generation", "grammar", "thread.js");

/** Milliseconds after which a schema is given up: to compile it, and to find the tokens of one place. */
const PATIENCE = 60_000;

/** MiB of JavaScript's values in a thread. */
const MOST_HEAP = 512;

interface Waiting {
  resolve(allowed: Int32Array): void;
  reject(error: unknown): void;
  readonly timer: NodeJS.Timeout;
}

export class GrammarThread {
  /** How many hold the grammar, or wait for it. */
  users = 0;
  /** Ends it once nobody has used it for a while. */
  idle: NodeJS.Timeout | undefined;
  state: "waiting" | "compiling" | "ready" | "ended" = "waiting";
  /** Settled when the grammar is compiled. @throws BidoraError `JSON_SCHEMA` */
  readonly ready: Promise<void>;
  #worker: Worker | undefined;
  #settle = { resolve: (): void => {}, reject: (_: unknown): void => {} };
  /** By sequence; undefined for the compilation. */
  readonly #waiting = new Map<number | undefined, Waiting>();
  #sequences = 0;

  /** @param onChange called after each change of the state */
  constructor(
    private readonly workerData: ThreadData,
    private readonly onChange: () => void,
  ) {
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.ready.catch(() => {}); // nobody may wait any more
  }

  /** Starts the thread, which compiles the grammar. */
  start(): void {
    const { workerData } = this;
    const resourceLimits = { maxOldGenerationSizeMb: MOST_HEAP };
    this.#worker = new Worker(THREAD, { workerData, resourceLimits, execArgv: [], stdout: true, stderr: true });
    this.#worker.on("message", (reply: Reply) => this.#take(reply));
    this.#worker.on("error", (error) => this.#fail(failed(error.message)));
    this.#worker.on("exit", () => this.end());
    this.state = "compiling";
    this.#wait(undefined).then(() => {
      this.state = "ready";
      this.#settle.resolve();
      this.onChange();
    }, this.#settle.reject);
  }

  newSequence(): number {
    return this.#sequences++;
  }

  /** The tokens that may come next. @throws BidoraError `JSON_SCHEMA` if the grammar takes too long or fails */
  ask(question: GrammarQuestion): Promise<Int32Array> {
    if (this.state === "ended") return Promise.reject(ended());
    const answer = this.#wait(question.sequence);
    this.#worker?.postMessage(question);
    return answer;
  }

  forget(sequence: number): void {
    if (this.state === "ready") this.#worker?.postMessage({ sequence, isOver: true } satisfies GrammarQuestion);
  }

  end(): void {
    this.#fail(ended());
  }

  #wait(sequence: number | undefined): Promise<Int32Array> {
    return new Promise((resolve, reject) => {
      const late = failed(`it took more than ${PATIENCE / 1000} seconds`);
      const timer = setTimeout(() => this.#fail(late), PATIENCE);
      this.#waiting.set(sequence, { resolve, reject, timer });
      this.#worker?.ref();
    });
  }

  #take({ sequence, allowed, error, refusal }: Reply): void {
    if (refusal !== undefined) this.#fail(new BidoraError("JSON_SCHEMA", refusal));
    if (error !== undefined) this.#fail(failed(error));
    const waiting = this.#waiting.get(sequence);
    this.#waiting.delete(sequence);
    clearTimeout(waiting?.timer);
    // An idle thread does not keep the process running.
    if (this.#waiting.size === 0) this.#worker?.unref();
    waiting?.resolve(allowed ?? new Int32Array());
  }

  #fail(error: BidoraError): void {
    if (this.state === "ended") return;
    this.state = "ended";
    void this.#worker?.terminate();
    this.#settle.reject(error);
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
    this.onChange();
  }
}

const failed = (why: string): BidoraError =>
  new BidoraError("JSON_SCHEMA", `The JSON schema's grammar could not be used: ${why.trim().replace(/\.$/, "")}.`);

const ended = (): BidoraError => failed("its thread ended");

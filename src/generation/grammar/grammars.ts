/** Grammars of JSON texts over a model's tokens, each compiled in a thread of its own. */
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { BidoraError } from "../../common/errors.js";
import { require } from "../../common/require.js";
import { unlessAborted } from "../../common/unlessAborted.js";
import { TokenBytes, type Tokenizer } from "../../text/index.js";
import type { Constraint } from "./constraint.js";
import { grammarThread, type Question, type Reply, type ThreadData } from "./grammarThread.js";
import { type JsonSchema, jsonGrammar } from "./jsonGrammar.js";

/** How many grammars that nobody uses any more are kept for the next one who asks for them; each takes about 60 MB. */
const MOST_IDLE = 4;

/** Milliseconds after which a schema is given up: to compile it, and to find the tokens of one place. */
const PATIENCE = 60_000;

/** A grammar for one request or call. */
export interface Grammar {
  /** For a new sequence. */
  constraint(): Constraint;
  /** Frees what its sequences hold. May be called twice. */
  release(): void;
}

/** The grammars of a model. */
export class Grammars {
  readonly #bytes: TokenBytes;
  /** By grammar and end tokens, the least recently used first. */
  readonly #threads = new Map<string, GrammarThread>();
  #vocabulary: Pick<ThreadData, "bytes" | "ends"> | undefined;

  /** @param vocabSize the number of logits */
  constructor(
    tokenizer: Tokenizer,
    private readonly vocabSize: number,
  ) {
    this.#bytes = new TokenBytes(tokenizer);
  }

  /**
   * The grammar of a schema.
   * @param endTokens that end a text
   * @param signal gives up waiting; the grammar is compiled for the next one who asks for it
   * @throws BidoraError `JSON_SCHEMA` for a schema that is not supported, or a model whose tokens are no parts of texts or have no end;
   *   `XGRAMMAR_MISSING` without the package
   */
  async open(schema: JsonSchema, endTokens: readonly number[], signal?: AbortSignal): Promise<Grammar> {
    const grammar = jsonGrammar(schema);
    if (!this.#bytes.areJoined || endTokens.length === 0)
      throw new BidoraError(
        "JSON_SCHEMA",
        `A JSON schema needs a model with ${endTokens.length === 0 ? "an end token" : "a byte-level or SentencePiece tokenizer"}: leave it out.`,
      );
    const key = JSON.stringify([endTokens, grammar]);
    const known = this.#threads.get(key);
    const thread = known && !known.hasEnded ? known : new GrammarThread({ grammar, endTokens, ...this.#tokens });
    this.#threads.delete(key);
    this.#threads.set(key, thread);
    thread.users++;
    const own: number[] = [];
    const release = () => {
      for (const sequence of own.splice(0)) thread.forget(sequence);
      thread.users--;
      if (thread.hasEnded && this.#threads.get(key) === thread) this.#threads.delete(key);
      this.#endIdle();
    };
    let isReleased = false;
    try {
      await unlessAborted(thread.ready, signal);
    } catch (error) {
      release();
      throw error;
    }
    return {
      constraint: () => new ThreadConstraint(thread, (sequence) => own.push(sequence)),
      release: () => {
        if (!isReleased) release();
        isReleased = true;
      },
    };
  }

  /** Ends all threads. */
  dispose(): void {
    for (const thread of this.#threads.values()) thread.end();
    this.#threads.clear();
  }

  #endIdle(): void {
    const idle = [...this.#threads].filter(([, { users }]) => users === 0);
    for (const [key, thread] of idle.slice(0, -MOST_IDLE)) {
      thread.end();
      this.#threads.delete(key);
    }
  }

  /** The bytes of all tokens; special ones have none. */
  get #tokens(): Pick<ThreadData, "bytes" | "ends"> {
    if (this.#vocabulary) return this.#vocabulary;
    const all = Array.from({ length: this.vocabSize }, (_, id) =>
      this.#bytes.isSpecial(id) ? new Uint8Array() : this.#bytes.of(id),
    );
    let end = 0;
    this.#vocabulary = { bytes: Buffer.concat(all), ends: Uint32Array.from(all, ({ length }) => (end += length)) };
    return this.#vocabulary;
  }
}

/** A sequence's place in a grammar. The tokens that may follow are found while the model computes. */
class ThreadConstraint implements Constraint {
  readonly #sequence: number;
  #allowed: Promise<Int32Array>;

  constructor(
    private readonly thread: GrammarThread,
    onStart: (sequence: number) => void,
  ) {
    this.#sequence = thread.newSequence();
    onStart(this.#sequence);
    this.#allowed = this.#ask({});
  }

  allowed(): Promise<Int32Array> {
    return this.#allowed;
  }

  accept(token: number): void {
    this.#allowed = this.#ask({ token });
  }

  #ask(question: Pick<Question, "token">): Promise<Int32Array> {
    const allowed = this.thread.ask({ sequence: this.#sequence, ...question });
    allowed.catch(() => {}); // nobody asks if the sequence has ended
    return allowed;
  }
}

interface Waiting {
  resolve(allowed: Int32Array): void;
  reject(error: unknown): void;
  readonly timer: NodeJS.Timeout;
}

/** A thread with a grammar. */
class GrammarThread {
  /** How many hold the grammar. */
  users = 0;
  hasEnded = false;
  /** Settled when the grammar is compiled. */
  readonly ready: Promise<unknown>;
  readonly #worker: Worker;
  /** By sequence; undefined for the compilation. */
  readonly #waiting = new Map<number | undefined, Waiting>();
  #sequences = 0;

  constructor(data: ThreadData) {
    // The package's file is CommonJS in a package of modules, which neither import nor require can load: the thread runs it as a script.
    const source = `${readFileSync(packageFile(), "utf8")}\n(${grammarThread})(module.exports, require("node:worker_threads"));`;
    this.#worker = new Worker(source, { eval: true, workerData: data, stdout: true, stderr: true });
    this.#worker.on("message", (reply: Reply & { readonly sequence: number | undefined }) => this.#take(reply));
    this.#worker.on("error", (error) => this.#fail(error.message));
    this.#worker.on("exit", () => this.#fail("its thread ended"));
    this.ready = this.#wait(undefined);
  }

  newSequence(): number {
    return this.#sequences++;
  }

  /** The tokens that may come next. @throws BidoraError `JSON_SCHEMA` if the grammar takes too long or fails */
  ask(question: Question): Promise<Int32Array> {
    if (this.hasEnded) return Promise.reject(failed("its thread ended"));
    const answer = this.#wait(question.sequence);
    this.#worker.postMessage(question);
    return answer;
  }

  forget(sequence: number): void {
    if (!this.hasEnded) this.#worker.postMessage({ sequence, isOver: true } satisfies Question);
  }

  end(): void {
    this.#fail("its thread ended");
  }

  #wait(sequence: number | undefined): Promise<Int32Array> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(`it took more than ${PATIENCE / 1000} seconds`), PATIENCE);
      this.#waiting.set(sequence, { resolve, reject, timer });
      this.#worker.ref();
    });
  }

  #take({ sequence, allowed, error }: Reply & { readonly sequence: number | undefined }): void {
    if (error !== undefined) {
      this.#fail(error);
      return;
    }
    const waiting = this.#waiting.get(sequence);
    this.#waiting.delete(sequence);
    clearTimeout(waiting?.timer);
    // An idle thread does not keep the process running.
    if (this.#waiting.size === 0) this.#worker.unref();
    waiting?.resolve(allowed ?? new Int32Array());
  }

  #fail(why: string): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    void this.#worker.terminate();
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(failed(why));
    }
    this.#waiting.clear();
  }
}

const failed = (why: string): BidoraError =>
  new BidoraError("JSON_SCHEMA", `The JSON schema's grammar could not be used: ${why.trim().replace(/\.$/, "")}.`);

function packageFile(): string {
  try {
    return require.resolve("@mlc-ai/web-xgrammar");
  } catch (cause) {
    throw new BidoraError(
      "XGRAMMAR_MISSING",
      "JSON answers need the package @mlc-ai/web-xgrammar (2 MB), which is not installed: run `npm install @mlc-ai/web-xgrammar@0.1.27`.",
      { cause },
    );
  }
}

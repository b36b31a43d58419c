// Grammars of JSON texts over a model's tokens, each in a thread of its own.

import { setImmediate as nextTurn } from "node:timers/promises";
import { BidoraError, require } from "../../../base/index.js";
import { TokenBytes, type Tokenizer } from "../../../text/index.js";
import type { Constraint } from "../search.js";
import type { CalledTool } from "./callsGrammar.js";
import { GrammarThread } from "./grammarThread.js";
import type { JsonSchema } from "./jsonGrammar.js";
import { wrong } from "./schemaKeywords.js";
import type { GrammarQuestion, ThreadData } from "./thread.js";

/** How many grammars there are at once, and how many of them are being compiled: each takes 60 MB or more, and a processor. */
const MOST_THREADS = 8;
const MOST_COMPILING = 2;

/** How many grammars that nobody uses any more are kept for the next one who asks for them, and for how many milliseconds. */
const MOST_IDLE = 4;
const IDLE = 10_000;

/** The most bytes of a schema. */
const MOST_SCHEMA = 2 ** 16;

/** How many tokens' bytes are found at once. */
const PART = 1024;

type Vocabulary = Pick<ThreadData, "bytes" | "ends">;

/** Takes text that is no token of the sequence. */
export interface TextConstraint extends Constraint {
  acceptText(text: string): void;
}

/** A grammar for one request or call. */
export interface Grammar<Own extends Constraint = Constraint> {
  /** For a new sequence. */
  constraint(): Own;
  /** Frees what its sequences hold. May be called twice. */
  release(): void;
}

/** The grammars of a model. */
export class Grammars {
  readonly #bytes: TokenBytes;
  /** By schema and end tokens, the least recently used first. */
  readonly #threads = new Map<string, GrammarThread>();
  #vocabulary: Promise<Vocabulary> | undefined;

  /** @param vocabSize the number of logits @param write writes the grammars of schemas in this thread, not in theirs */
  constructor(
    tokenizer: Tokenizer,
    private readonly vocabSize: number,
    private readonly write?: (schema: JsonSchema) => string,
  ) {
    this.#bytes = new TokenBytes(tokenizer);
  }

  /**
   * The grammar of a schema.
   * @param endTokens that end a text
   * @param signal gives up waiting; the thread is ended if nobody else waits
   * @throws BidoraError `JSON_SCHEMA` for a schema that is not supported, or a model whose tokens are no parts of texts or have no end;
   *   `XGRAMMAR_MISSING` without the package
   */
  async open(schema: JsonSchema, endTokens: readonly number[], signal?: AbortSignal): Promise<Grammar> {
    const text = textOf(schema);
    const of = this.write ? { grammar: this.write(schema) } : { schema: text };
    return this.#open({ of, endTokens }, signal);
  }

  /** The grammar of the arguments of calls. A sequence begins with the tool: see `CallConstraint`. @throws as `open` */
  async openCalls(
    tools: readonly CalledTool[],
    endTokens: readonly number[],
    signal?: AbortSignal,
  ): Promise<Grammar<TextConstraint>> {
    const called = tools.map((tool) => ({ function: { parameters: tool.function.parameters } }));
    return this.#open({ of: { tools: textOf(called) }, endTokens }, signal);
  }

  async #open(
    { of, endTokens }: Pick<ThreadData, "of" | "endTokens">,
    signal: AbortSignal | undefined,
  ): Promise<Grammar<TextConstraint>> {
    signal?.throwIfAborted();
    if (!this.#bytes.areJoined || endTokens.length === 0)
      throw new BidoraError(
        "JSON_SCHEMA",
        `A JSON schema needs a model with ${endTokens.length === 0 ? "an end token" : "a byte-level or SentencePiece tokenizer"}: leave it out.`,
      );
    const key = JSON.stringify([endTokens, of]);
    this.#vocabulary ??= this.#bytesOfAll();
    const vocabulary = await this.#vocabulary;
    signal?.throwIfAborted();
    const thread = this.#threads.get(key) ?? this.#newThread(key, { of, endTokens, ...vocabulary });
    // Now it is the last one used.
    this.#threads.delete(key);
    this.#threads.set(key, thread);
    thread.users++;
    clearTimeout(thread.idle);
    this.#startWaiting();
    const own: number[] = [];
    const release = () => {
      for (const sequence of own.splice(0)) thread.forget(sequence);
      thread.users--;
      this.#leave(thread);
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
    for (const thread of [...this.#threads.values()]) thread.end();
  }

  #newThread(key: string, data: Omit<ThreadData, "xgrammar">): GrammarThread {
    const thread: GrammarThread = new GrammarThread({ xgrammar: packageFile(), ...data }, () => {
      if (thread.state === "ended" && this.#threads.get(key) === thread) this.#threads.delete(key);
      this.#startWaiting();
    });
    return thread;
  }

  /** Starts threads that wait, as far as there may be more. */
  #startWaiting(): void {
    for (const thread of this.#in("waiting")) {
      if (this.#in("compiling").length >= MOST_COMPILING) return;
      if (this.#in("compiling").length + this.#in("ready").length >= MOST_THREADS) {
        const [idle] = this.#idle;
        if (!idle) return;
        idle.end();
      }
      if (thread.state === "waiting") thread.start();
    }
  }

  /** A grammar that nobody uses is kept for a while, one that nobody waits for any more is given up. */
  #leave(thread: GrammarThread): void {
    if (thread.users > 0) return;
    if (thread.state !== "ready") thread.end();
    for (const idle of this.#idle.slice(0, -MOST_IDLE)) idle.end();
    thread.idle = setTimeout(() => thread.end(), IDLE).unref();
    this.#startWaiting();
  }

  #in(state: GrammarThread["state"]): readonly GrammarThread[] {
    return [...this.#threads.values()].filter((thread) => thread.state === state);
  }

  get #idle(): readonly GrammarThread[] {
    return this.#in("ready").filter(({ users }) => users === 0);
  }

  /** The bytes of all tokens, found in parts between which others have their turn; special tokens have none. */
  async #bytesOfAll(): Promise<Vocabulary> {
    const all: Uint8Array[] = [];
    while (all.length < this.vocabSize) {
      const id = all.length;
      all.push(this.#bytes.isSpecial(id) ? new Uint8Array() : this.#bytes.of(id));
      if (id % PART === PART - 1) await nextTurn();
    }
    let end = 0;
    return { bytes: Buffer.concat(all), ends: Uint32Array.from(all, ({ length }) => (end += length)) };
  }
}

/** A sequence's place in a grammar. The tokens that may follow are found while the model computes. */
class ThreadConstraint implements TextConstraint {
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

  acceptText(text: string): void {
    // One question at a time.
    this.#allowed = this.#allowed.then(() => this.#ask({ text }));
    this.#allowed.catch(() => {});
  }

  #ask(question: Pick<GrammarQuestion, "token" | "text">): Promise<Int32Array> {
    const allowed = this.thread.ask({ sequence: this.#sequence, ...question });
    allowed.catch(() => {}); // nobody asks if the sequence has ended
    return allowed;
  }
}

/** A schema as JSON. @throws BidoraError `JSON_SCHEMA` for one that is too large */
function textOf(schema: JsonSchema | readonly CalledTool[]): string {
  const text = nestedText(schema);
  const bytes = Buffer.byteLength(text);
  if (bytes > MOST_SCHEMA) throw wrong([], `has ${bytes} bytes of JSON, and the most is ${MOST_SCHEMA}`);
  return text;
}

function nestedText(schema: object | boolean): string {
  try {
    return JSON.stringify(schema);
  } catch (error) {
    throw error instanceof RangeError ? wrong([], "is nested too deeply") : error;
  }
}

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

/**
 * A result that is not waited for once a signal is aborted; what makes it goes on.
 * @throws the signal's reason, or the result's error
 */
function unlessAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return result;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

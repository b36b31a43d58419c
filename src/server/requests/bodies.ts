/** Reading the bodies of requests: large ones in a thread of their own, one after the other, so that other requests go on. */
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { packageRoot } from "../../common/installation.js";
import { ApiError } from "../apiError.js";
import { NESTED, type RequestKind, type RequestOf, readRequest } from "./readers.js";
import type { Outcome, Task } from "./thread.js";

const THREAD = join(packageRoot, "dist", "server", "requests", "thread.js");

/** The most bytes of a body. */
const MOST_BYTES = 8 * 2 ** 20;

/** A body of fewer bytes is read in a moment. */
const SMALL = 2 ** 14;

/** The most bytes of all larger ones that are read, or wait to be, at the same time. */
const MOST_AT_ONCE = 64 * 2 ** 20;

/** Milliseconds for which the thread is kept, with its memory. */
const IDLE = 5000;

export class Bodies {
  #bytes = 0;
  /** The end of the last body's turn. */
  #turn: Promise<unknown> = Promise.resolve();
  #thread: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** Refuses larger bodies with status 413. */
  readonly limit = bodyLimit({
    maxSize: MOST_BYTES,
    onError: (c) => {
      c.header("connection", "close");
      const error = new ApiError(413, `The body has more than the ${MOST_BYTES} bytes that the server takes.`);
      return c.json(error.body, error.status);
    },
  });

  /** @throws ApiError 400 as `readRequest`, 429 for one of too many large bodies; the reason why the client left */
  async read<Kind extends RequestKind>(kind: Kind, c: Context): Promise<RequestOf<Kind>> {
    const length = Number(c.req.header("content-length") ?? MOST_BYTES);
    if (length < SMALL) return readRequest(kind, await c.req.arrayBuffer());
    if (this.#bytes + length > MOST_AT_ONCE)
      throw new ApiError(429, "Too many large bodies are being read already: try again later.", {
        code: "rate_limit_exceeded",
      });
    this.#bytes += length;
    try {
      const bytes = await c.req.arrayBuffer();
      const outcome = this.#turn.then(() => this.#inThread({ kind, bytes }, c.req.raw.signal));
      this.#turn = outcome.catch(() => {});
      return (await outcome) as RequestOf<Kind>;
    } finally {
      this.#bytes -= length;
    }
  }

  dispose(): void {
    clearTimeout(this.#idle);
    void this.#thread?.terminate();
    this.#thread = undefined;
  }

  async #inThread(task: Task, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted();
    clearTimeout(this.#idle);
    this.#thread ??= new Worker(THREAD, { execArgv: [] });
    try {
      const outcome = await answerOf(this.#thread, task);
      if ("refusal" in outcome) throw new ApiError(...outcome.refusal);
      return outcome.request;
    } catch (error) {
      if (!(error instanceof ApiError)) this.dispose();
      throw error;
    } finally {
      this.#idle = setTimeout(() => this.dispose(), IDLE).unref();
      this.#thread?.unref();
    }
  }
}

/** @throws the error that ends the thread */
function answerOf(thread: Worker, task: Task): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const onEnd = (cause: unknown) => reject(cause instanceof Error ? cause : new Error("The thread ended."));
    thread.removeAllListeners();
    thread.once("message", resolve).once("error", onEnd).once("exit", onEnd);
    thread.once("messageerror", () => resolve({ refusal: [400, NESTED] }));
    thread.postMessage(task, [task.bytes]);
  });
}

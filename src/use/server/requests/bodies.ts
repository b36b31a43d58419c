/** Reading the bodies of requests: large ones in a thread of their own, one after the other, so that other requests go on. */
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Context } from "hono";
import { packageRoot } from "../../../base/index.js";
import { ApiError } from "../apiError.js";
import { NESTED, type RequestKind, type RequestOf, readRequest } from "./readers.js";
import type { BodyToRead, Outcome } from "./thread.js";

const THREAD = join(packageRoot, "dist", "use", "server", "requests", "thread.js");

/** The most bytes of a body. */
const MOST_BYTES = 8 * 2 ** 20;

/** A body of fewer bytes is read in a moment. */
const SMALL = 2 ** 14;

/** The most bytes that have come of all larger ones, until they are read: who sends slowly takes no room from others. */
const MOST_AT_ONCE = 64 * 2 ** 20;

/** Milliseconds for which the thread is kept, with its memory. */
const IDLE = 5000;

export class Bodies {
  #bytes = 0;
  /** The end of the last body's turn. */
  #turn: Promise<unknown> = Promise.resolve();
  #thread: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** @throws ApiError 400 as `readRequest`, 413 for a larger body, 429 for one of too many large ones; the reason why the client left */
  async read<Kind extends RequestKind>(kind: Kind, c: Context): Promise<RequestOf<Kind>> {
    const length = Number(c.req.header("content-length") ?? SMALL);
    if (length < SMALL) return readRequest(kind, await c.req.arrayBuffer());
    if (length > MOST_BYTES) throw tooLarge(c);
    let size = 0;
    const count = (bytes: number) => {
      size += bytes;
      this.#bytes += bytes;
      if (size > MOST_BYTES) throw tooLarge(c);
      if (this.#bytes > MOST_AT_ONCE) throw tooMany(c);
    };
    try {
      const bytes = await received(c.req.raw.body, count);
      if (size < SMALL) return readRequest(kind, bytes);
      const outcome = this.#turn.then(() => this.#inThread({ kind, bytes }, c.req.raw.signal));
      this.#turn = outcome.catch(() => {});
      return (await outcome) as RequestOf<Kind>;
    } finally {
      this.#bytes -= size;
    }
  }

  dispose(): void {
    clearTimeout(this.#idle);
    void this.#thread?.terminate();
    this.#thread = undefined;
  }

  async #inThread(task: BodyToRead, signal: AbortSignal): Promise<unknown> {
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

/** The bytes of a body. @param count called with the number of those that come; if it throws, the rest is not read */
async function received(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  count: (bytes: number) => void,
): Promise<ArrayBuffer> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  // Without a loop over the stream, which would end the connection before the refusal is sent.
  const reader = body?.getReader();
  for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
    count(part.value.length);
    parts.push(part.value);
  }
  return new Blob(parts).arrayBuffer();
}

function tooLarge(c: Context): ApiError {
  c.header("connection", "close");
  return new ApiError(413, `The body has more than the ${MOST_BYTES} bytes that the server takes.`);
}

function tooMany(c: Context): ApiError {
  c.header("connection", "close");
  return new ApiError(429, "Too many large bodies are being read already: try again later.", {
    code: "rate_limit_exceeded",
  });
}

/** @throws the error that ends the thread */
function answerOf(thread: Worker, task: BodyToRead): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const onEnd = (cause: unknown) => reject(cause instanceof Error ? cause : new Error("The thread ended."));
    thread.removeAllListeners();
    thread.once("message", resolve).once("error", onEnd).once("exit", onEnd);
    thread.once("messageerror", () => resolve({ refusal: [400, NESTED] }));
    thread.postMessage(task, [task.bytes]);
  });
}

/** Reading the bodies of requests: what takes long is done in parts, for one body at a time, so that short requests go on. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { duplicateKeyIn } from "../../common/keys.js";
import { ApiError, invalid } from "../apiError.js";
import { Places } from "../places.js";

/** The most bytes of a body. */
const MOST_BYTES = 8 * 2 ** 20;

/** A body of fewer bytes is read at once. */
const SMALL = 2 ** 16;

/** How many larger ones are read at the same time. */
const MOST_LARGE = 16;

/** The most values of a body. Parsing a list or an object takes as long as 8 numbers, and a name in one as long as 64. */
const MOST_VALUES = 2 ** 20;
const OF_LIST = 8;
const OF_NAME = 64;

/** How many bytes are counted at once. */
const PART = 2 ** 20;

const utf8 = new TextDecoder("utf-8", { fatal: true });

export class Bodies {
  readonly #places = new Places(MOST_LARGE);
  /** The end of the last body's turn. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Refuses larger bodies with status 413. */
  readonly limit = bodyLimit({
    maxSize: MOST_BYTES,
    onError: (c) => {
      c.header("connection", "close");
      const error = new ApiError(413, `The body has more than the ${MOST_BYTES} bytes that the server takes.`);
      return c.json(error.body, error.status);
    },
  });

  /** @throws ApiError 400 for a body that is not JSON, or has too many values, 429 for one of too many large ones */
  async read(c: Context): Promise<unknown> {
    if (Number(c.req.header("content-length") ?? SMALL) < SMALL) return parsed(await c.req.arrayBuffer());
    const release = this.#places.take();
    try {
      const bytes = await c.req.arrayBuffer();
      const result = this.#turn.then(() => this.#parts(bytes, c.req.raw.signal));
      this.#turn = result.catch(() => {});
      return await result;
    } finally {
      release();
    }
  }

  async #parts(bytes: ArrayBuffer, signal: AbortSignal): Promise<unknown> {
    const counter = new ValueCounter();
    for (let start = 0; start < bytes.byteLength; start += PART) {
      signal.throwIfAborted();
      counter.add(new Uint8Array(bytes, start, Math.min(PART, bytes.byteLength - start)));
      await nextTurn();
    }
    const body = parsed(bytes);
    await nextTurn();
    return body;
  }
}

/** Counts values by the characters around them, which is much faster than parsing them. */
class ValueCounter {
  #values = 0;
  #isInText = false;
  #isEscaped = false;

  /** @throws ApiError 400 beyond the most values */
  add(part: Uint8Array): void {
    for (const byte of part) {
      if (this.#isInText) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#isInText = false;
      } else if (byte === QUOTE) this.#isInText = true;
      else if (byte === COMMA) this.#values++;
      else if (byte === BRACKET || byte === BRACE) this.#values += OF_LIST;
      else if (byte === COLON) this.#values += OF_NAME;
    }
    if (this.#values > MOST_VALUES)
      throw invalid(
        `The body has more values than the server takes, such as ${MOST_VALUES} numbers or ${MOST_VALUES / OF_NAME} names in objects: send several requests.`,
      );
  }
}

const [QUOTE, BACKSLASH, COMMA, BRACKET, BRACE, COLON] = Buffer.from('"\\,[{:') as unknown as readonly number[];

function parsed(bytes: ArrayBuffer): unknown {
  const [text, body] = jsonOf(bytes);
  const twice = duplicateKeyIn(text, body);
  if (twice !== undefined) throw invalid(`The body has ${JSON.stringify(twice)} twice in one object: send it once.`);
  return body;
}

function jsonOf(bytes: ArrayBuffer): [text: string, value: unknown] {
  try {
    const text = utf8.decode(bytes);
    return [text, JSON.parse(text)];
  } catch {
    throw invalid("The body must be JSON in UTF-8.");
  }
}

/** News for open pages: what has changed since they were made. */
import type { SSEStreamingApi } from "hono/streaming";

/** What can change while a page is open. */
export type Topic = "rows" | "run" | "work" | "runs" | "models";

/** Milliseconds between two messages to a page. */
const INTERVAL = 400;
/** Milliseconds after which a message without content keeps a connection open. */
const HEARTBEAT = 15_000;

/** Tells every open page which topics have changed, a few times a second at most. */
export class News {
  readonly #listeners = new Set<Set<Topic>>();
  #isOpen = true;

  changed(topic: Topic): void {
    for (const waiting of this.#listeners) waiting.add(topic);
  }

  /** Sends a page its news until it is closed, or the studio ends. */
  async tell(stream: SSEStreamingApi): Promise<void> {
    const waiting = new Set<Topic>();
    this.#listeners.add(waiting);
    stream.onAbort(() => void this.#listeners.delete(waiting));
    let quiet = 0;
    while (this.#isOpen && this.#listeners.has(waiting)) {
      if (waiting.size > 0 || quiet >= HEARTBEAT) {
        const topics = [...waiting].join(" ");
        waiting.clear();
        quiet = 0;
        await stream.writeSSE({ event: topics === "" ? "quiet" : "changed", data: topics });
      }
      await stream.sleep(INTERVAL);
      quiet += INTERVAL;
    }
    this.#listeners.delete(waiting);
  }

  close(): void {
    this.#isOpen = false;
  }
}

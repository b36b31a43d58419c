// News of the runs, for the pages that are open in a browser.
import { setTimeout as pause } from "node:timers/promises";
import type { SSEStreamingApi } from "hono/streaming";
import type { Pages, ShownPage } from "./pages.js";

/** Milliseconds between two updates. */
const INTERVAL = 500;
/** Updates between two heartbeats (15 seconds), so that no proxy closes an idle connection. */
const BEAT = 30;

/** Tells open pages how far their runs are, a browser that reads slowly less often. */
export class News {
  readonly #readers = new Set<SSEStreamingApi>();
  readonly #ending = new AbortController();
  #changes = 0;

  constructor(
    private readonly pages: Pages,
    private readonly interval = INTERVAL,
  ) {}

  get hasReaders(): boolean {
    return this.#readers.size > 0;
  }

  get hasEnded(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Records that a run has got further. */
  changed(): void {
    this.#changes++;
  }

  /** Makes what is told next, at once, the last news. */
  end(): void {
    this.#ending.abort();
  }

  /** Tells a page the progress of its runs, and when there are new figures, until it is closed or the command ends. */
  async tell(stream: SSEStreamingApi, shown: ShownPage): Promise<void> {
    this.#readers.add(stream);
    stream.onAbort(() => void this.#readers.delete(stream));
    let told: number | undefined;
    for (let turn = 1; this.#readers.has(stream); turn++) {
      const isLast = this.hasEnded;
      if (told !== this.#changes) {
        told = this.#changes;
        await stream.writeSSE({ event: "status", data: this.pages.statusOf(shown.run).source });
      }
      if (shown.page.isDue) await stream.writeSSE({ event: "page", data: "" });
      if (turn % BEAT === 0) await stream.write(":\n\n");
      if (isLast) return this.#sayEnd(stream);
      await pause(this.interval, undefined, { ref: false, signal: this.#ending.signal }).catch(() => {});
    }
  }

  async #sayEnd(stream: SSEStreamingApi): Promise<void> {
    await stream.writeSSE({ event: "end", data: "The command has ended: this page is no longer updated." });
    this.#readers.delete(stream);
  }
}

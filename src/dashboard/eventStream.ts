import type { ServerResponse } from "node:http";

/** Milliseconds after which a connection is used, lest something on the way take it for dead. */
const HEARTBEAT = 15_000;

/** Browsers that listen to news by server-sent events, each to those of one page. */
export class EventStream<Page> {
  readonly #listeners = new Map<ServerResponse, Page>();
  readonly #heartbeat = setInterval(() => this.#write(":\n\n"), HEARTBEAT).unref();

  /** Pages that somebody looks at. */
  get pages(): Set<Page> {
    return new Set(this.#listeners.values());
  }

  add(response: ServerResponse, page: Page): void {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(":\n\n");
    this.#listeners.set(response, page);
    response.on("close", () => this.#listeners.delete(response));
  }

  /** @param data may have lines */
  send(event: string, data: string, page?: Page): void {
    const lines = data.split("\n").map((line) => `data: ${line}\n`);
    this.#write(`event: ${event}\n${lines.join("")}\n`, page);
  }

  close(): void {
    clearInterval(this.#heartbeat);
    for (const response of this.#listeners.keys()) response.end();
  }

  #write(text: string, page?: Page): void {
    for (const [response, own] of this.#listeners) if (page === undefined || page === own) response.write(text);
  }
}

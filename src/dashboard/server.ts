import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { BidoraError } from "../common/errors.js";
import { refusalOf } from "./access.js";
import { EventStream } from "./eventStream.js";
import { liveScript } from "./liveScript.js";
import { Pages, type Shown, type Watched } from "./pages.js";
import { pathOf } from "./statusSection.js";

export interface Dashboard {
  readonly url: string;
  /** Shows the end to who is looking, and goes. */
  close(): Promise<void>;
}

/** Milliseconds between two looks at what is new. */
const INTERVAL = 500;
/** Milliseconds that browsers have to fetch how it ended. */
const LAST_LOOK = 2000;
const THIS_MACHINE = "127.0.0.1";

const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
};

/**
 * Serves the report of runs on this machine while they go on, to browsers of this machine alone.
 * @param port 0 for any that is free
 * @throws BidoraError `DASHBOARD` for a port that can't be had
 */
export async function serveDashboard(watched: Watched, port: number): Promise<Dashboard> {
  const server = new DashboardServer(watched);
  return server.listen(port);
}

class DashboardServer {
  readonly #server: Server = createServer((request, response) => void this.#answer(request, response));
  readonly #news = new EventStream<Shown>();
  readonly #pages: Pages;
  #hasChanged = false;
  #hasEnded = false;
  #port = 0;

  constructor(private readonly watched: Watched) {
    this.#pages = new Pages(watched, Object.keys(SCRIPTS));
    watched.board.onChange(() => {
      this.#hasChanged = true;
      this.#pages.changed();
    });
  }

  async listen(port: number): Promise<Dashboard> {
    this.#server.listen(port, THIS_MACHINE);
    try {
      await once(this.#server, "listening");
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new BidoraError(
        "DASHBOARD",
        `--dashboard=${port} can't be served: ${code === "EADDRINUSE" ? "something else listens there" : code}. Name another port, or none for any that is free.`,
        { cause },
      );
    }
    this.#port = (this.#server.address() as AddressInfo).port;
    const timer = setInterval(() => this.#tell(), INTERVAL).unref();
    return { url: `http://${THIS_MACHINE}:${this.#port}/`, close: () => this.#close(timer) };
  }

  async #close(timer: NodeJS.Timeout): Promise<void> {
    clearInterval(timer);
    this.#hasEnded = true;
    const { size } = this.#news.pages;
    this.#tell();
    this.#news.send("end", "The command has ended: this page stays as it is.");
    if (size > 0) await pause(LAST_LOOK);
    this.#news.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Tells each page's readers how far the runs are, and that there are new figures. */
  #tell(): void {
    for (const shown of this.#news.pages) {
      if (this.#hasChanged) this.#news.send("status", this.#pages.statusOf(shown.run).source, shown);
      if (shown.page.isDue) this.#news.send("page", "", shown);
    }
    this.#hasChanged = false;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const refusal = refusalOf(request, this.#port);
      if (refusal) return send(response, 403, "text/plain", refusal);
      const path = decoded(request.url ?? "/");
      if (request.method === "POST") this.#act(path, response);
      else if (request.method === "GET") await this.#get(path, response);
      else send(response, 405, "text/plain", "Expected GET or POST.");
    } catch (error) {
      send(response, 500, "text/plain", (error as Error).message);
    }
  }

  async #get(path: string, response: ServerResponse): Promise<void> {
    const script = SCRIPTS[path];
    if (script) return send(response, 200, "text/javascript", script());
    const listens = path === EVENTS || path.startsWith(`${EVENTS}/`);
    const shown = this.#pages.at(listens ? path.slice(EVENTS.length) || "/" : path);
    if (!shown) return notFound(response);
    if (!listens) return send(response, 200, "text/html", await this.#pages.html(shown, this.#hasEnded));
    this.#news.add(response, shown);
    this.#news.send("status", this.#pages.statusOf(shown.run).source, shown);
  }

  #act(path: string, response: ServerResponse): void {
    const at = path.lastIndexOf("/");
    const shown = this.#pages.at(path.slice(0, at) || "/");
    const what = path.slice(at + 1);
    if (shown && (what === "stop" || what === "checkpoint")) {
      this.#do(what, shown.run);
      response.writeHead(303, { ...HEADERS, location: pathOf(shown.run ?? "") }).end();
    } else notFound(response);
  }

  /** What is asked of all runs, or of one; it is asked once of each, and only of those that go on. */
  #do(what: "stop" | "checkpoint", run: string | undefined): void {
    const { board, stop, checkpoint } = this.watched;
    const going = board.runs.filter(({ name, state }) => state === "running" && name === (run ?? name));
    for (const { name } of going) board.asked(name, what);
    if (what === "checkpoint") for (const { name } of going) checkpoint(name);
    else if (run === undefined || going.length > 0) stop(run);
  }
}

const EVENTS = "/events";

/** What pages load, in this order. */
const SCRIPTS: Readonly<Record<string, () => string>> = Object.assign(Object.create(null), {
  "/idiomorph.js": () =>
    readFileSync(createRequire(import.meta.url).resolve("idiomorph/dist/idiomorph.min.js"), "utf8"),
  "/live.js": () => liveScript,
});

/** Without its query. @returns a path that there is none at, where it is no text */
function decoded(url: string): string {
  try {
    return decodeURIComponent(url.split("?")[0] ?? "/");
  } catch {
    return "";
  }
}

const notFound = (response: ServerResponse): void =>
  send(response, 404, "text/plain", "There is no such page here: / has them all.");

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { ...HEADERS, "content-type": `${type}; charset=utf-8` }).end(text);
}

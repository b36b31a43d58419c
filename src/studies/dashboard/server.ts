// The HTTP server of the dashboard, its updates and its script.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { BidoraError, type CallContext, require } from "../../base/index.js";
import { Pages, pathOf, type ShownPage, type Watched } from "./pages.js";

export interface Dashboard {
  readonly url: string;
  /** Shows the end in open browsers, then stops serving. */
  close(): Promise<void>;
}

/** Milliseconds between two updates. */
const INTERVAL = 500;
/** Milliseconds for browsers to fetch the final page. */
const LAST_LOOK = 2000;
const THIS_MACHINE = "127.0.0.1";

const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
};

/** The runs of a page, and what its buttons do. */
interface WatchedRuns extends Omit<Watched, "stop"> {
  /** Stops one of several runs; without it, a button stops everything. */
  stopOne?(run: string): void;
}

/**
 * Serves a live page while `work` runs.
 * @param dashboard the port; true for any free one
 * @param work receives a signal that also aborts when everything is stopped on the page
 * @throws BidoraError `DASHBOARD` for a port that can't be used
 */
export async function withDashboard<T>(
  { stopOne, ...watched }: WatchedRuns,
  dashboard: true | number,
  { signal, onNote }: CallContext,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stopping = new AbortController();
  const stop = (run?: string) => (stopOne && run !== undefined ? stopOne(run) : stopping.abort());
  const page = await new DashboardServer({ ...watched, stop }).listen(dashboard === true ? 0 : dashboard);
  onNote?.(`Live at ${page.url}`);
  return work(AbortSignal.any([stopping.signal, ...(signal ? [signal] : [])])).finally(() => page.close());
}

/** Serves the report of running runs, to browsers on this machine only. */
export class DashboardServer {
  readonly #server: Server = createServer((request, response) => void this.#answer(request, response));
  readonly #news = new EventStream<ShownPage>();
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

  /** @param port 0 for any free port @throws BidoraError `DASHBOARD` for a port that can't be used */
  async listen(port: number): Promise<Dashboard> {
    this.#server.listen(port, THIS_MACHINE);
    try {
      await once(this.#server, "listening");
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new BidoraError(
        "DASHBOARD",
        `--dashboard=${port} can't be served: ${code === "EADDRINUSE" ? "the port is in use" : code}. Give another port, or none to use any free one.`,
        { cause },
      );
    }
    this.#port = (this.#server.address() as AddressInfo).port;
    const timer = setInterval(() => this.#sendUpdates(), INTERVAL).unref();
    return { url: `http://${THIS_MACHINE}:${this.#port}/`, close: () => this.#close(timer) };
  }

  async #close(timer: NodeJS.Timeout): Promise<void> {
    clearInterval(timer);
    this.#hasEnded = true;
    const { size } = this.#news.pages;
    this.#sendUpdates();
    this.#news.send("end", "The command has ended: this page is no longer updated.");
    if (size > 0) await pause(LAST_LOOK);
    this.#news.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Sends the progress of the runs to each page's readers, and whether there are new figures. */
  #sendUpdates(): void {
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

  /** Stops running runs or saves their checkpoints: all of them, or one. */
  #do(what: "stop" | "checkpoint", run: string | undefined): void {
    const { board, stop, checkpoint } = this.watched;
    const going = board.runs.filter(({ name, state }) => state === "running" && name === (run ?? name));
    for (const { name } of going) board.asked(name, what);
    if (what === "checkpoint") for (const { name } of going) checkpoint(name);
    else if (run === undefined || going.length > 0) stop(run);
  }
}

const EVENTS = "/events";

/** The scripts of a page, in this order. */
const SCRIPTS: Readonly<Record<string, () => string>> = Object.assign(Object.create(null), {
  "/idiomorph.js": () => readFileSync(require.resolve("idiomorph/dist/idiomorph.min.js"), "utf8"),
  "/live.js": () => liveScript,
});

/** The path without its query. @returns an empty path for a malformed one */
function decoded(url: string): string {
  try {
    return decodeURIComponent(url.split("?")[0] ?? "/");
  } catch {
    return "";
  }
}

const notFound = (response: ServerResponse): void =>
  send(response, 404, "text/plain", "There is no such page: / links to all of them.");

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { ...HEADERS, "content-type": `${type}; charset=utf-8` }).end(text);
}

/** The host names of this machine for its own browsers. */
const HOSTS = ["127.0.0.1", "localhost"];

/**
 * The reason to refuse a request, or undefined. A page of another site can send requests here, also under a name of its own that
 * resolves to this machine (DNS rebinding), but it can't choose the headers `host` and `origin`.
 */
function refusalOf({ headers, method }: IncomingMessage, port: number): string | undefined {
  const { host, origin } = headers;
  if (!HOSTS.some((name) => host === `${name}:${port}`))
    return `Expected a request to 127.0.0.1:${port}; got one to ${host ?? "no host"}.`;
  const isOwn = HOSTS.some((name) => origin === `http://${name}:${port}`);
  if (origin !== undefined && !isOwn) return `Expected a request from this page; got one from ${origin}.`;
  if (method === "POST" && origin === undefined) return "Expected a request from this page; got one without an origin.";
  return undefined;
}

/** Milliseconds between heartbeats, so that no proxy closes an idle connection. */
const HEARTBEAT = 15_000;

/** Browsers that listen to server-sent events, each to those of one page. */
class EventStream<Page> {
  readonly #listeners = new Map<ServerResponse, Page>();
  readonly #heartbeat = setInterval(() => this.#write(":\n\n"), HEARTBEAT).unref();

  /** The pages that are open in a browser. */
  get pages(): Set<Page> {
    return new Set(this.#listeners.values());
  }

  add(response: ServerResponse, page: Page): void {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(":\n\n");
    this.#listeners.set(response, page);
    response.on("close", () => this.#listeners.delete(response));
  }

  /** @param data may have several lines */
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

/** The script of a page: it updates what has changed and leaves the rest, including focus and open parts. */
const liveScript = `
const options = { morphStyle: "outerHTML", callbacks: { beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS") } };
const put = (id, source) => Idiomorph.morph(document.getElementById(id), source, options);
const say = (text) => { document.getElementById("connection").textContent = text; };
const renew = async () => {
  const answer = await fetch(location.pathname);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  put("main", page.getElementById("main").outerHTML);
};
const news = new EventSource("/events" + (location.pathname === "/" ? "" : location.pathname));
news.addEventListener("status", ({ data }) => put("live", data));
news.addEventListener("page", () => renew().catch(() => {}));
news.addEventListener("end", async ({ data }) => {
  news.close();
  await renew().catch(() => {});
  say(data);
});
news.addEventListener("error", () => say("The connection is lost; this page shows the last known state."));
news.addEventListener("open", () => say(""));
document.addEventListener("submit", (event) => {
  event.preventDefault();
  const { action } = event.target;
  fetch(action, { method: "POST", redirect: "manual" }).catch(() => say("The connection is lost: nothing was done."));
});
`.trim();

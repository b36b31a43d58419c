// The HTTP server of the dashboard, and the script of its pages.
import { readFileSync } from "node:fs";
import type { Server } from "node:http";
import { posix } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createAdaptorServer } from "@hono/node-server";
import { type Context, Hono, type HonoRequest } from "hono";
import { streamSSE } from "hono/streaming";
import { BidoraError, type CallContext, listenAt, require } from "../../base/index.js";
import { News } from "./news.js";
import { Pages, pathOf, type Watched } from "./pages.js";

export interface Dashboard {
  readonly url: string;
  /** Shows the end in open browsers, then stops serving. */
  close(): Promise<void>;
}

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
  readonly #pages: Pages;
  readonly #news: News;
  #port = 0;

  constructor(private readonly watched: Watched) {
    this.#pages = new Pages(watched, Object.keys(SCRIPTS));
    this.#news = new News(this.#pages);
    watched.board.onChange(() => {
      this.#news.changed();
      this.#pages.changed();
    });
  }

  /** @param port 0 for any free port @throws BidoraError `DASHBOARD` for a port that can't be used */
  async listen(port: number): Promise<Dashboard> {
    // The process is the user's: its Request and Response are left as they are.
    const server = createAdaptorServer({ fetch: this.#app().fetch, overrideGlobalObjects: false }) as Server;
    const advice = "Give another port, or none to use any free one.";
    this.#port = await listenAt(
      server,
      { port, host: THIS_MACHINE },
      (why, options) => new BidoraError("DASHBOARD", `--dashboard=${port} can't be served: ${why}. ${advice}`, options),
    );
    return { url: `http://${THIS_MACHINE}:${this.#port}/`, close: () => this.#close(server) };
  }

  async #close(server: Server): Promise<void> {
    const { hasReaders } = this.#news;
    this.#news.end();
    if (hasReaders) await pause(LAST_LOOK);
    server.close();
    server.closeAllConnections();
  }

  #app(): Hono {
    const app = new Hono();
    app.use(async (c, next) => {
      await next();
      for (const [name, value] of Object.entries(HEADERS)) c.res.headers.set(name, value);
    });
    app.use(async (c, next) => {
      const refusal = refusalOf(c.req, this.#port);
      if (refusal) return c.text(refusal, 403);
      return ["GET", "POST"].includes(c.req.method) ? next() : c.text("Expected GET or POST.", 405);
    });
    app.onError((error, c) => c.text(error.message, 500));
    app.notFound((c) => c.text("There is no such page: / links to all of them.", 404));
    for (const [path, script] of Object.entries(SCRIPTS))
      app.get(path, (c) => c.body(script(), 200, { "content-type": "text/javascript; charset=utf-8" }));
    app.get("/events/:path{.+}?", (c) => {
      const shown = this.#pages.at(asked(c));
      return shown ? streamSSE(c, (stream) => this.#news.tell(stream, shown)) : c.notFound();
    });
    app.get("/:path{.*}", async (c) => {
      const shown = this.#pages.at(asked(c));
      return shown ? c.html(await this.#pages.html(shown, this.#news.hasEnded)) : c.notFound();
    });
    app.post("/:path{.+}", (c) => {
      const { dir, base: what } = posix.parse(asked(c));
      const shown = this.#pages.at(dir);
      if (!shown || (what !== "stop" && what !== "checkpoint")) return c.notFound();
      this.#do(what, shown.run);
      return c.redirect(pathOf(shown.run ?? ""), 303);
    });
    return app;
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

/** The path of a page, or of a page's news or action, decoded. */
const asked = (c: Context): string => `/${c.req.param("path") ?? ""}`;

/** The scripts of a page, in this order. */
const SCRIPTS: Readonly<Record<string, () => string>> = {
  "/idiomorph.js": () => readFileSync(require.resolve("idiomorph/dist/idiomorph.min.js"), "utf8"),
  "/live.js": () => liveScript,
};

/** The host names of this machine for its own browsers. */
const HOSTS = ["127.0.0.1", "localhost"];

/**
 * The reason to refuse a request, or undefined. A page of another site can send requests here, also under a name of its own that
 * resolves to this machine (DNS rebinding), but it can't choose the headers `host` and `origin`.
 */
function refusalOf(request: HonoRequest, port: number): string | undefined {
  const [method, host, origin] = [request.method, request.header("host"), request.header("origin")];
  if (!HOSTS.some((name) => host === `${name}:${port}`))
    return `Expected a request to 127.0.0.1:${port}; got one to ${host ?? "no host"}.`;
  const isOwn = HOSTS.some((name) => origin === `http://${name}:${port}`);
  if (origin !== undefined && !isOwn) return `Expected a request from this page; got one from ${origin}.`;
  if (method === "POST" && origin === undefined) return "Expected a request from this page; got one without an origin.";
  return undefined;
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

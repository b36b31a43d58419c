/** The studio's HTTP server: its screens, what their forms do, and news for open pages. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Server } from "node:http";
import { join } from "node:path";
import { createAdaptorServer } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { streamSSE } from "hono/streaming";
import { BidoraError, listenAt, packageRoot } from "../../base/index.js";
import { WEB_PAGES } from "./exports/webPage.js";
import { guard } from "./guard.js";
import { renderPage } from "./page.js";
import { type Asked, Form, type Rendered, type Screen } from "./screen.js";
import { SCREENS } from "./screens.js";
import { styleSheet } from "./style.js";
import { Studio } from "./workspace.js";

const THIS_MACHINE = "127.0.0.1";
const FIRST = SCREENS[0]!;

export interface StudioServer {
  /** With the token that opens it. */
  readonly url: string;
  /** Stops what runs, whose state is saved, and ends the server. */
  close(): Promise<void>;
}

/**
 * Serves a folder.
 * @param port 0 for any free one
 * @throws BidoraError `SERVE` for a port that can't be used
 */
export async function listen(folder: string, port: number): Promise<StudioServer> {
  const token = randomBytes(24).toString("base64url");
  const studio = new Studio(folder);
  const server = createAdaptorServer({ fetch: appOf(studio, token).fetch }) as Server;
  const own = await listenAt(server, { port, host: THIS_MACHINE });
  return {
    url: `http://${THIS_MACHINE}:${own}/?token=${token}`,
    async close() {
      await studio.close();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The routes of a studio. */
function appOf(studio: Studio, token: string): Hono {
  const app = new Hono();
  const [usual, withModel] = [headersWith(["'self'"]), headersWith(["'self'", "'wasm-unsafe-eval'", "blob:"])];
  app.use((c, next) => (c.req.path.startsWith(WEB_PAGES) ? withModel : usual)(c, next));
  app.use(guard(token));
  app.onError((error, c) =>
    c.text(error instanceof BidoraError ? error.message : `A fault in the studio: ${error}`, 500),
  );
  app.get("/", (c) => c.redirect(FIRST.path));
  app.get("/studio.css", (c) => file(c, "text/css", styleSheet));
  app.get("/studio.js", (c) =>
    file(c, "text/javascript", readFileSync(join(packageRoot, "dist", "studio.js"), "utf8")),
  );
  app.get("/news", (c) => streamSSE(c, (stream) => studio.news.tell(stream)));
  for (const screen of SCREENS) addScreen(app, studio, screen);
  for (const what of ["stop", "dismiss"] as const)
    app.post(`/works/${what}`, async (c) => {
      studio.works[what](new Form(await c.req.text()).text("name"));
      return c.redirect(hereOf(c, FIRST), 303);
    });
  return app;
}

/** @param scripts where scripts may come from: pages with a model in them run WebAssembly */
const headersWith = (scripts: string[]) =>
  secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'self'"],
      scriptSrc: scripts,
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", "data:"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'self'"],
    },
    referrerPolicy: "same-origin",
    // It is served over HTTP.
    strictTransportSecurity: false,
  });

const file = (c: Context, type: string, content: string): Response =>
  c.body(content, 200, { "content-type": `${type}; charset=utf-8`, "cache-control": "no-cache" });

function addScreen(app: Hono, studio: Studio, screen: Screen): void {
  app.get(screen.path, (c) => show(c, studio, screen));
  screen.addRoutes?.(app, studio);
  for (const [name, act] of Object.entries(screen.actions ?? {}))
    app.post(`${screen.path}/${name}`, async (c) => {
      const form = new Form(await c.req.text());
      try {
        const next = await act(studio, form);
        return c.redirect(next ?? hereOf(c, screen), 303);
      } catch (error) {
        if (!(error instanceof BidoraError)) throw error;
        return show(c, studio, screen, { problem: error.message, form });
      }
    });
}

/** The page that a form was on. */
function hereOf(c: Context, { path }: Screen): string {
  const referer = c.req.header("referer");
  if (referer === undefined || !URL.canParse(referer)) return path;
  const { pathname, search } = new URL(referer);
  return pathname + search;
}

interface Refused {
  readonly problem: string;
  readonly form: Form;
}

/** A screen, or the same with what is wrong with a form that was posted. */
async function show(c: Context, studio: Studio, screen: Screen, refused?: Refused): Promise<Response> {
  const query = refused ? new URL(hereOf(c, screen), "http://studio").searchParams : new URL(c.req.url).searchParams;
  const { problem = refused?.problem, ...rendered } = await renderedOr(screen, studio, { query, form: refused?.form });
  const place = { folder: studio.folder.path, problem };
  return c.html(renderPage(screen, SCREENS, rendered, place), refused ? 422 : 200);
}

/** A screen's content; without any if it can't be shown, as with a run.yaml that is wrong. */
async function renderedOr(screen: Screen, studio: Studio, asked: Asked): Promise<Rendered & { problem?: string }> {
  try {
    return await screen.render(studio, asked);
  } catch (error) {
    if (error instanceof BidoraError) return { content: [], problem: error.message };
    throw error;
  }
}

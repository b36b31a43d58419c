/** A server of models on a port. */
import type { Server } from "node:http";
import { listenAt } from "../../base/index.js";
import { ApiError } from "./apiError.js";
import type { AppOptions } from "./app.js";
import { disposeServed, type ServedModel } from "./servedModel.js";

/** A server that answers requests until it is closed. */
export interface RunningServer {
  readonly url: string;
  /** Ends all requests, running ones with an error, and releases the models. May be called twice. */
  close(): Promise<void>;
}

export interface ServeOptions extends Omit<AppOptions, "closing"> {
  /** 0 for any free port. */
  readonly port: number;
}

/** Milliseconds for clients to read the end of their streams. */
const LAST_READ = 1000;
const IDLE_CHECK = 20;

/**
 * Serves models by OpenAI's protocol.
 * @throws BidoraError `SERVE` for a port or host that can't be used
 */
export async function listen(served: ServedModel, options: ServeOptions): Promise<RunningServer> {
  const [{ App }, { createAdaptorServer }] = await Promise.all([import("./app.js"), import("@hono/node-server")]);
  const closing = new AbortController();
  const app = new App(served, { ...options, closing: closing.signal });
  // The process may be another program's: its Request and Response are left as they are.
  const server = createAdaptorServer({ fetch: app.hono.fetch, overrideGlobalObjects: false }) as Server;
  const port = await listenAt(server, options);
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= stop(server, closing).then(() => {
      app.dispose();
      disposeServed(served);
    });
    return closed;
  };
  return { url: `http://${host}:${port}`, close };
}

/** Ends the server. Streams get an error as their last event; a client that does not read it is left after a while. */
async function stop(server: Server, closing: AbortController): Promise<void> {
  const ended = new Promise<void>((resolve) => server.close(() => resolve()));
  closing.abort(new ApiError(503, "The server is stopping."));
  // A connection is idle once its last response has been sent.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK);
  const all = setTimeout(() => server.closeAllConnections(), LAST_READ);
  await ended;
  clearInterval(idle);
  clearTimeout(all);
}

/** The ports that servers listen on. */
import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { BidoraError, UsageError } from "./errors.js";

const MOST_PORT = 65_535;

/** @throws UsageError for a --port that there can't be */
export function requirePort(port: number): void {
  if (port > MOST_PORT) throw new UsageError(`--port takes a whole number of at most ${MOST_PORT}; got ${port}.`);
}

/**
 * Makes a server listen.
 * @param port 0 for any free one
 * @param refusal composes the error for a port or host that can't be used; `SERVE` by default
 * @returns the port
 */
export async function listenAt(
  server: Server,
  { port, host }: { readonly port: number; readonly host: string },
  refusal = (why: string, options: ErrorOptions): BidoraError =>
    new BidoraError(
      "SERVE",
      `Port ${port} of ${host} can't be used: ${why}. Give another --port, or 0 for any free one.`,
      options,
    ),
): Promise<number> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (cause) {
    const { code } = cause as { code: string };
    throw refusal(code === "EADDRINUSE" ? "the port is in use" : code, { cause });
  }
  return (server.address() as AddressInfo).port;
}

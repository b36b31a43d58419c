import type { IncomingMessage } from "node:http";

/** Names by which a browser on this machine reaches it. */
const HOSTS = ["127.0.0.1", "localhost"];

/**
 * Why a request is not answered, or undefined. A page of another site can send requests here, under a name of its own that leads to
 * this machine too (DNS rebinding), but can't choose what the browser says of where it wants to go and where it comes from.
 */
export function refusalOf({ headers, method }: IncomingMessage, port: number): string | undefined {
  const { host, origin } = headers;
  if (!HOSTS.some((name) => host === `${name}:${port}`))
    return `Expected a request to 127.0.0.1:${port}; got one to ${host ?? "no host"}.`;
  const isOwn = HOSTS.some((name) => origin === `http://${name}:${port}`);
  if (origin !== undefined && !isOwn) return `Expected a request from this page; got one from ${origin}.`;
  if (method === "POST" && origin === undefined)
    return "Expected a request from this page; got one that does not say from where.";
  return undefined;
}

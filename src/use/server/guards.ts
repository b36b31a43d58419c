/** Who may send requests, and how many at a time. */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { hostname } from "node:os";
import type { Context, HonoRequest } from "hono";
import { UsageError } from "../../base/index.js";
import { ApiError } from "./apiError.js";

/** The host of a `Host` header or a URL without its port, or undefined. */
function nameIn(host: string): string | undefined {
  try {
    return new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, "");
  } catch {
    return undefined;
  }
}

/** The port in the host of a URL. */
const portIn = (host: string): number => Number(new URL(`http://${host}`).port || 80);

const isLoopback = (name: string): boolean => name === "localhost" || name === "::1" || /^127\.[\d.]+$/.test(name);

/** Whether a server on this host is called by this name. An address is no name that another site could point here. */
function isOwnName(name: string, host: string): boolean {
  if (isLoopback(name) || name === host.toLowerCase()) return true;
  return !isLoopback(host) && (isIP(name) !== 0 || name === hostname().toLowerCase());
}

/**
 * Refuses requests of web pages of other sites: those that name another origin, and those that reach this server under a name of their
 * own (DNS rebinding). A page can't choose these headers.
 * @param host that the server listens on
 * @param allowed origins of other servers' pages
 * @returns the page's origin; undefined for a request of another program
 * @throws ApiError 403
 */
export function admittedOrigin(headers: Headers, host: string, allowed: readonly string[]): string | undefined {
  const asked = headers.get("host") ?? "";
  const name = nameIn(asked);
  if (name === undefined || !isOwnName(name, host))
    throw new ApiError(403, `Requests to ${asked || "no host"} are refused: call the server by its address or --host.`);
  const origin = headers.get("origin");
  if (origin === null) return undefined;
  if (isSame(origin, asked) || allowed.includes(origin)) return origin;
  throw new ApiError(403, `Requests from pages of ${origin} are refused: --allow-origin names those that are not.`);
}

/** Whether an origin is the server that was called: by the same name, or by another one of this machine for itself. */
function isSame(origin: string, asked: string): boolean {
  if (origin === `http://${asked}`) return true;
  const [own, called] = [/^http:\/\/([^/]+)$/.exec(origin)?.[1] ?? "", asked];
  return [own, called].every((host) => isLoopback(nameIn(host) ?? "")) && portIn(own) === portIn(called);
}

/**
 * The origin of pages at a URL, as browsers send it.
 * @throws UsageError for a URL that has more than an origin
 */
export function originOf(given: string): string {
  const { protocol, host } = URL.canParse(given) ? new URL(given) : { protocol: "", host: "" };
  const origin = `${protocol}//${host}`;
  if (host !== "" && [origin, `${origin}/`].includes(new URL(given).href)) return origin;
  throw new UsageError(
    `--allow-origin takes the origin of pages, such as http://localhost:3000, without a path; got ${given}.`,
  );
}

/** Whether a browser asks if a page may send a request. */
export const isPreflight = ({ method, raw }: Pick<HonoRequest, "method" | "raw">): boolean =>
  method === "OPTIONS" && raw.headers.has("access-control-request-method");

/** What a browser is told that asks for a page whose origin is admitted: it sends no key. */
export function preflight(c: Context): Response {
  c.header("access-control-allow-methods", "GET, POST");
  c.header("access-control-allow-headers", c.req.header("access-control-request-headers") ?? "");
  c.header("access-control-max-age", "600");
  // Chrome asks for it where a public page calls a private address.
  if (c.req.header("access-control-request-private-network") === "true")
    c.header("access-control-allow-private-network", "true");
  return c.body(null, 204);
}

/** @throws ApiError 401 unless the request has the key, if there is one */
export function requireKey(headers: Headers, key: string | undefined): void {
  if (key === undefined) return;
  const given = /^Bearer +(.+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  if (given !== undefined && timingSafeEqual(digest(given), digest(key))) return;
  const what = given === undefined ? "The request has no API key" : "The API key is wrong";
  throw new ApiError(401, `${what}: send the header "Authorization: Bearer KEY" with the --api-key.`, {
    code: "invalid_api_key",
  });
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** @throws ApiError 415 for a body that is compressed, which nothing here expands */
export function refuseCompressed(headers: Headers): void {
  const encoding = headers.get("content-encoding") || "identity";
  if (encoding.toLowerCase() === "identity") return;
  throw new ApiError(415, `Bodies are taken as they are, not with Content-Encoding ${encoding}: send plain JSON.`);
}

/** The requests that run or wait at the same time. */
export class Places {
  #taken = 0;

  constructor(private readonly most: number) {}

  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes a place.
   * @returns frees it; may be called several times
   * @throws ApiError 429 if there is none
   */
  take(): () => void {
    if (this.#taken >= this.most)
      throw new ApiError(429, `${this.most} requests are running or waiting already: try again later.`, {
        code: "rate_limit_exceeded",
      });
    this.#taken++;
    let isTaken = true;
    return () => {
      if (isTaken) this.#taken--;
      isTaken = false;
    };
  }
}

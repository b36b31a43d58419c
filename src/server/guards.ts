/** Who may send requests. */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { ApiError } from "./apiError.js";

/** The host of a `Host` header or a URL without its port, or undefined. */
function nameIn(host: string): string | undefined {
  try {
    return new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, "");
  } catch {
    return undefined;
  }
}

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
 * @throws ApiError 403
 */
export function refuseForeign(headers: Headers, host: string): void {
  const asked = headers.get("host") ?? "";
  const name = nameIn(asked);
  if (name === undefined || !isOwnName(name, host))
    throw new ApiError(403, `Requests to ${asked || "no host"} are refused: call the server by its address or --host.`);
  const origin = headers.get("origin");
  if (origin !== null && origin !== `http://${asked}`)
    throw new ApiError(403, `Requests from pages of ${origin} are refused.`);
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

/** Who may send requests: browsers on this machine that were opened with the token. */
import { timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { getCookie, setCookie } from "hono/cookie";

/** The host names of this machine for its own browsers. */
const HOSTS = ["127.0.0.1", "localhost"];

/**
 * Lets requests through that have the token, as a cookie that `/?token=…` sets. A page of another site can send requests here, also under
 * a name of its own that resolves to this machine (DNS rebinding), but it can choose neither the headers `host` and `origin` nor the cookie.
 */
export const guard =
  (token: string): MiddlewareHandler =>
  async (c, next) => {
    const host = c.req.header("host") ?? "";
    const { hostname, port } = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : { hostname: "", port: "" };
    const refusal = HOSTS.includes(hostname) ? refusalOf(c, host) : `Requests to ${host || "no host"} are refused.`;
    if (refusal !== undefined) return c.text(refusal, 403);
    // Cookies are those of a host, whatever its port.
    const cookie = `bidora-studio-${port || 80}`;
    const { searchParams, pathname } = new URL(c.req.url);
    const given = searchParams.get("token");
    if (given !== null && isEqual(given, token)) {
      setCookie(c, cookie, token, { httpOnly: true, sameSite: "Strict", path: "/" });
      return c.redirect(pathname);
    }
    if (isEqual(getCookie(c, cookie) ?? "", token)) return next();
    return c.text(
      "Open the address that bidora studio has printed, with its token: it is another one after each start.",
      403,
    );
  };

/** The reason to refuse a request to this host, or undefined. */
function refusalOf(c: Context, host: string): string | undefined {
  const origin = c.req.header("origin");
  if (origin !== undefined && origin !== `http://${host}`)
    return `Expected a request from this page; got one from ${origin}.`;
  if (!["GET", "HEAD"].includes(c.req.method) && origin === undefined)
    return "Expected a request from this page; got one without an origin.";
  return undefined;
}

function isEqual(given: string, token: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(token)];
  return one.length === other.length && timingSafeEqual(one, other);
}

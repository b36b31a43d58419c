// Pages of other origins that --allow-origin names call the server as browsers do: with a preflight, and by its headers.
import { expect, test } from "vitest";
import { UsageError } from "../../../src/base/errors.js";
import { LLAMA, openServer } from "./openServer.js";

const PAGE = "http://localhost:3000";
const OTHER = "https://app.example";

const { url } = await openServer({ model: LLAMA, apiKey: "secret", allowOrigin: [PAGE, `${OTHER}/`] });
const { port } = new URL(url);

/** The status and the headers for browsers of an answer. */
async function answer(path: string, origin: string, more: RequestInit & { headers?: Record<string, string> } = {}) {
  const response = await fetch(`${url}${path}`, { ...more, headers: { origin, ...more.headers } });
  await response.text();
  const header = (name: string) => response.headers.get(name);
  return { status: response.status, origin: header("access-control-allow-origin"), vary: header("vary"), header };
}

const authorization = "Bearer secret";

test.each([PAGE, OTHER])("pages of %s get answers and errors that browsers let them read", async (origin) => {
  const readable = { origin, vary: "Origin" };
  expect(await answer("/v1/models", origin, { headers: { authorization } })).toMatchObject({
    status: 200,
    ...readable,
  });
  expect(await answer("/v1/models", origin)).toMatchObject({ status: 401, ...readable });
  expect(await answer("/v1/other", origin, { headers: { authorization } })).toMatchObject({ status: 404, ...readable });
  const post = (body: string) =>
    answer("/v1/completions", origin, { method: "POST", headers: { authorization }, body });
  expect(await post("{")).toMatchObject({ status: 400, ...readable });
  expect(await post(JSON.stringify({ model: "llama", prompt: "a", stream: true }))).toMatchObject({
    status: 200,
    ...readable,
  });
});

test("a preflight needs no key and allows the headers that it asks for", async () => {
  const asks = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-os",
    "access-control-request-private-network": "true",
  };
  const { status, header, ...readable } = await answer("/v1/chat/completions", PAGE, {
    method: "OPTIONS",
    headers: asks,
  });
  expect([status, readable]).toEqual([204, { origin: PAGE, vary: "Origin" }]);
  expect(header("access-control-allow-methods")).toContain("POST");
  expect(header("access-control-allow-headers")).toBe(asks["access-control-request-headers"]);
  expect(header("access-control-allow-private-network")).toBe("true");
  const foreign = await answer("/v1/chat/completions", "http://evil.example", { method: "OPTIONS", headers: asks });
  expect([foreign.status, foreign.origin]).toEqual([403, null]);
});

test("pages of the server itself are its own under each of this machine's names, others are refused", async () => {
  const send = (origin: string) => answer("/v1/models", origin, { headers: { authorization } });
  for (const own of [`http://127.0.0.1:${port}`, `http://localhost:${port}`, `http://[::1]:${port}`])
    expect(await send(own)).toMatchObject({ status: 200, origin: own });
  for (const other of [`${PAGE}1`, "http://localhost", `https://127.0.0.1:${port}`, `http://10.0.0.1:${port}`, "null"])
    expect(await send(other), other).toMatchObject({ status: 403, origin: null, vary: "Origin" });
});

test.each(["*", "localhost:3000", "http://localhost:3000/page", "http://a@b", "null", ""])(
  "--allow-origin %j is no origin",
  async (origin) => {
    await expect(openServer({ model: LLAMA, allowOrigin: [origin] })).rejects.toThrow(UsageError);
  },
);

test.each(["app://bundle", "HTTP://LOCALHOST:80"])("--allow-origin %s is one", async (origin) => {
  const own = await openServer({ model: LLAMA, allowOrigin: [origin] });
  const sent = origin.startsWith("app") ? origin : "http://localhost";
  const response = await fetch(`${own.url}/health`, { headers: { origin: sent } });
  expect(response.headers.get("access-control-allow-origin")).toBe(sent);
});

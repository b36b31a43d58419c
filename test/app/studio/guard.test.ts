// Who may send requests to the studio.
import { request } from "node:http";
import { expect, test } from "vitest";
import { openStudio } from "./support.js";

const statusOf = (url: string, headers: Readonly<Record<string, string>>, method = "GET"): Promise<number> =>
  new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (answer) => resolve(answer.resume().statusCode!));
    sent.on("error", reject).end();
  });

test("requests need the token, this machine's own name, and a page of the studio", async () => {
  const { origin, cookie } = await openStudio();
  const page = `${origin}/data`;
  expect(await statusOf(page, { cookie })).toBe(200);
  expect(await statusOf(page, {})).toBe(403);
  expect(await statusOf(`${origin}/?token=wrong`, {})).toBe(403);
  expect(await statusOf(page, { cookie, host: "studio.example:80" })).toBe(403);
  expect(await statusOf(page, { cookie, origin: "http://example.com" })).toBe(403);
  expect(await statusOf(`${origin}/works/stop`, { cookie }, "POST")).toBe(403);
  expect(await statusOf(`${origin}/works/stop`, { cookie, origin }, "POST")).toBe(303);
});

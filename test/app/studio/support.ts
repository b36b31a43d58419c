// A studio on a folder of its own, as a browser sees it.
import { mkdirSync } from "node:fs";
import { afterAll } from "vitest";
import { listen, type StudioServer } from "../../../src/app/studio/server.js";
import { freshPath } from "../../support/workFolder.js";

/** Requests to a studio. */
export interface Client {
  /** The studio's folder. */
  readonly folder: string;
  readonly origin: string;
  /** What its browser sends with each request. */
  readonly cookie: string;
  get(path: string): Promise<Response>;
  /** The page at a path. */
  page(path: string): Promise<string>;
  /** Sends a form, as a page at `from` does; does not follow where the answer leads. */
  post(path: string, fields?: Readonly<Record<string, string>>, from?: string): Promise<Response>;
  /** Sends a file as it is. */
  upload(path: string, content: string | Buffer): Promise<Response>;
  close(): Promise<void>;
}

/** Opens a studio that is closed after the test file. @param folder by default a new one */
export async function openStudio(folder = freshPath("studio")): Promise<Client> {
  mkdirSync(folder, { recursive: true });
  const server = await listen(folder, 0);
  const client = await clientOf(server, folder);
  open.add(client);
  return client;
}

const open = new Set<Client>();
afterAll(async () => {
  for (const client of open) await client.close();
  open.clear();
});

async function clientOf({ url, close }: StudioServer, folder: string): Promise<Client> {
  const { origin } = new URL(url);
  const opened = await fetch(url, { redirect: "manual" });
  const cookie = opened.headers.get("set-cookie")!.split(";")[0]!;
  const send = (path: string, more: RequestInit & { headers?: Record<string, string> } = {}) =>
    fetch(origin + path, { redirect: "manual", ...more, headers: { cookie, origin, ...more.headers } });
  return {
    folder,
    origin,
    cookie,
    get: (path) => send(path),
    page: async (path) => (await send(path)).text(),
    post: (path, fields = {}, from = path.replace(/\/[^/]*$/, "")) =>
      send(path, { method: "POST", body: new URLSearchParams(fields), headers: { referer: origin + from } }),
    upload: (path, content) => send(path, { method: "POST", body: content }),
    close,
  };
}

/** Waits until a page says something. */
export async function until(client: Client, path: string, says: string | RegExp, seconds = 60): Promise<string> {
  const end = Date.now() + 1000 * seconds;
  for (;;) {
    const page = await client.page(path);
    if (typeof says === "string" ? page.includes(says) : says.test(page)) return page;
    if (Date.now() > end) throw new Error(`${path} does not say ${says}: ${page}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

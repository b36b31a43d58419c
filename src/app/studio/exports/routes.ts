/** Downloads, and the pages with models in them. */
import { createReadStream } from "node:fs";
import { extname } from "node:path";
import { Readable } from "node:stream";
import type { Context, Hono } from "hono";
import { BidoraError, sizeOf } from "../../../base/index.js";
import { finishedRun } from "../answers/finishedRuns.js";
import type { Studio } from "../workspace.js";
import { filesOfRun } from "./adapterFiles.js";
import { exported } from "./exported.js";
import { pageFiles, WEB_PAGES } from "./webPage.js";
import { MOST_ZIPPED, type ZippedFile, zipOf } from "./zip.js";

export function addExportRoutes(app: Hono, studio: Studio): void {
  const { folder } = studio;
  app.get("/take/zip/:name", async (c) => {
    const { name, files } = await exported(folder, c.req.param("name"));
    return zip(c, name, files);
  });
  app.get("/take/adapter/:name", async (c) => {
    const run = finishedRun(folder, c.req.param("name"));
    return run ? zip(c, run.name, await filesOfRun(run)) : c.notFound();
  });
  app.get("/take/page/:name", async (c) => {
    const found = await exported(folder, c.req.param("name"));
    return zip(c, `${found.name}-page`, pageFiles(found, folder.path));
  });
  app.get(`${WEB_PAGES}:name`, (c) => c.redirect(`${WEB_PAGES}${encodeURIComponent(c.req.param("name"))}/`));
  app.get(`${WEB_PAGES}:name/*`, async (c) => {
    const name = c.req.param("name");
    const wanted = decoded(c.req.path.split("/").slice(4).join("/")) || "index.html";
    const files = pageFiles(await exported(folder, name), folder.path);
    // Only what is in the list is sent, whatever the address says.
    const found = files.find((file) => file.name === wanted);
    return found ? fileAt(c, found.path) : c.notFound();
  });
}

/** @returns a malformed address as it is */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** An archive to save, whose folder has the archive's name. */
function zip(c: Context, name: string, files: readonly ZippedFile[]): Response {
  const bytes = files.reduce((sum, { path }) => sum + sizeOf(path), 0);
  if (bytes > MOST_ZIPPED)
    throw new BidoraError("STUDIO", "A ZIP archive of this form holds 4 GiB at most: copy the folder instead.");
  const inside = files.map((file) => ({ ...file, name: `${name}/${file.name}` }));
  return c.body(zipOf(inside), 200, {
    "content-type": "application/zip",
    "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(`${name}.zip`)}`,
  });
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

function fileAt(c: Context, path: string): Response {
  const headers = {
    "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    "content-length": String(sizeOf(path)),
    "cache-control": "no-cache",
  };
  if (c.req.method === "HEAD") return c.body(null, 200, headers);
  return c.body(Readable.toWeb(createReadStream(path)) as ReadableStream, 200, headers);
}

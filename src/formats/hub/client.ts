// Requests to the Hub: listing a repository, and a `fetch` with token, limits and redirects.

import { type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub";
import { BidoraError } from "../../base/index.js";
import { limitedFetch, ResponseTooLong, ResponseTooSlow } from "../limitedFetch.js";
import { type HubRequest, refusal, unreachable } from "./errors.js";
import { shownUrl, tokenFor } from "./options.js";

export interface RemoteFile {
  /** Of a module of sentence-transformers, with its folder. */
  readonly path: string;
  readonly size: number;
  /** SHA-256 of a large file, git's SHA-1 of a small one; also the name of its blob in the cache. */
  readonly etag: string;
}

export interface RequestLimits {
  /** Longest wait in milliseconds for a response, and for the next bytes of a download. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Far more than any API response: a page of the Hub lists 1000 files. */
const MAX_ANSWER_BYTES = 2 ** 24;
const MAX_PAGES = 20;
/** API responses are short, so a complete one may take only this many timeouts. */
const SILENCES_PER_ANSWER = 6;

export interface RemoteCommit {
  readonly hash: string;
  /** The paths of all its files. */
  readonly paths: readonly string[];
}

/** The current commit of a branch, tag or commit hash. @throws BidoraError `HUB_…` */
export async function findCommit(request: HubRequest, limits: RequestLimits): Promise<RemoteCommit> {
  const { repo, revision, settings } = request;
  const fetch = apiFetch(request, limits);
  const send = () =>
    modelInfo({ name: repo, revision, additionalFields: ["sha", "filePaths"], hubUrl: settings.endpoint, fetch });
  const { sha, filePaths } = await attempt(request, limits, send);
  if (!/^[0-9a-f]{40}$/.test(sha)) throw unexpected(request, "the commit is not a hash");
  return { hash: sha, paths: filePaths };
}

/** A folder of sentence-transformers, such as `1_Pooling`. */
const MODULE_FOLDER = /^\d+_\w+$/;

/** The files in the root of a repository and in the folders of sentence-transformers' modules. @throws BidoraError `HUB_…` */
export async function listRemoteFiles(
  request: HubRequest,
  commit: string,
  limits: RequestLimits,
): Promise<RemoteFile[]> {
  const { repo, settings } = request;
  const fetch = apiFetch(request, limits);
  const list = (path = "") =>
    listFiles({ repo: { type: "model", name: repo }, revision: commit, hubUrl: settings.endpoint, fetch, path });
  const files: RemoteFile[] = [];
  const folders: string[] = [];
  await attempt(request, limits, async () => {
    for await (const entry of list()) {
      if (entry.type === "file") files.push(remoteFile(request, "", entry));
      else if (MODULE_FOLDER.test(entry.path)) folders.push(entry.path);
    }
    for (const folder of folders)
      for await (const entry of list(folder))
        if (entry.type === "file") files.push(remoteFile(request, `${folder}/`, entry));
  });
  return files;
}

/** @param folder of the file: empty, or with a slash at its end */
function remoteFile(request: HubRequest, folder: string, { path, size, oid, lfs }: ListFileEntry): RemoteFile {
  const etag = lfs?.oid ?? oid ?? "";
  const bytes = lfs?.size ?? size;
  if (!path?.startsWith(folder) || !isPlainName(path.slice(folder.length)))
    throw unexpected(request, `a file in ${folder || "the root"} is not a plain name`);
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)) throw unexpected(request, `${path} has no checksum`);
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw unexpected(request, `${path} has no size`);
  return { path, size: bytes, etag };
}

/** Whether this is a file name without folders. */
function isPlainName(path: unknown): path is string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it refuses control characters on purpose
  return typeof path === "string" && /^[^/\\\u0000-\u001f]+$/.test(path) && path !== "." && path !== "..";
}

/** The download URL of a file. */
export function fileUrl({ repo, settings }: HubRequest, commit: string, path: string): string {
  return `${settings.endpoint}/${repo}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
}

/** A `fetch` for API requests, whose responses are short and come in a few pages. */
function apiFetch(request: HubRequest, limits: RequestLimits): typeof fetch {
  let pages = 0;
  const send = hubFetch(request, limits, MAX_ANSWER_BYTES, limits.timeoutMs * SILENCES_PER_ANSWER);
  return (input, init) => {
    if (++pages > MAX_PAGES) throw unexpected(request, `it has more than ${MAX_PAGES} pages`);
    return send(input, init);
  };
}

/**
 * A `fetch` that sends the token to the endpoint only (not along redirects), limits waiting time and size, and turns every failure
 * into a `BidoraError`. Status 416 is returned, since downloads handle it.
 */
export function hubFetch(
  request: HubRequest,
  { timeoutMs, signal }: RequestLimits,
  maxBytes: number,
  wholeMs?: number,
): typeof fetch {
  const limits = { silenceMs: timeoutMs, wholeMs, maxBytes, signal };
  return async (input, init) => {
    const send = (url: URL) => {
      const signed: RequestInit = { ...init, headers: headersFor(url, request, init), redirect: "manual" };
      return attempt(request, { signal }, () => limitedFetch(url, signed, limits));
    };
    const first = new URL(input instanceof Request ? input.url : input);
    const { response, url } = await throughRedirects(request, first, send);
    if (response.ok || response.status === 416) return response;
    await response.body?.cancel();
    throw refusal(request, response, url);
  };
}

/** Request headers, with the token if the URL is on the endpoint. */
function headersFor(url: URL, { settings }: HubRequest, init: RequestInit | undefined): Headers {
  const headers = new Headers(init?.headers);
  headers.set("User-Agent", "bidora");
  const token = tokenFor(url, settings);
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  return headers;
}

/** Runs a request. The caller's cancellation is rethrown as it is; every other failure becomes a `BidoraError`. */
export async function attempt<T>(
  request: HubRequest,
  { signal }: Pick<RequestLimits, "signal">,
  send: () => Promise<T>,
): Promise<T> {
  try {
    return await send();
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof BidoraError) throw error;
    if (error instanceof ResponseTooLong) throw unexpected(request, `it ${error.message}`);
    if (error instanceof SyntaxError) throw unexpected(request, "it is not JSON");
    // A TypeError of fetch itself has a cause; one without comes from a response with missing fields.
    if (error instanceof TypeError && error.cause === undefined) throw unexpected(request, "parts of it are missing");
    throw unreachable(request, reason(error), error);
  }
}

function reason(error: unknown): string {
  if (error instanceof ResponseTooSlow) return error.message;
  const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
  return code === undefined ? "closed the connection" : `cannot be reached (${code})`;
}

function unexpected({ repo, settings }: HubRequest, what: string): BidoraError {
  return new BidoraError(
    "HUB_FAILED",
    `${shownUrl(settings.endpoint)} gave an unexpected answer about ${repo}: ${what}.`,
  );
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MOST_REDIRECTS = 10;

/** A response and the URL that gave it. */
interface Answer {
  readonly response: Response;
  readonly url: URL;
}

/**
 * Follows redirects one by one, since `fetch` does not say why it fails to follow one.
 * @throws BidoraError `HUB_UNREACHABLE` that names the redirect
 */
async function throughRedirects(
  request: HubRequest,
  first: URL,
  send: (url: URL) => Promise<Response>,
): Promise<Answer> {
  let url = first;
  for (let followed = 0; ; followed++) {
    const response = await send(url);
    const location = REDIRECTS.has(response.status) ? response.headers.get("Location") : null;
    if (location === null) return { response, url };
    await response.body?.cancel();
    url = nextOf(request, url, location);
    if (followed === MOST_REDIRECTS)
      throw unreachable(
        request,
        `redirects ${requested(request)} more than ${MOST_REDIRECTS} times, last to ${originAndPath(url)}`,
      );
  }
}

function nextOf(request: HubRequest, url: URL, location: string): URL {
  if (!URL.canParse(location, url.href)) throw notFollowed(request, "something that is not an address");
  const next = new URL(location, url);
  if (next.protocol !== "http:" && next.protocol !== "https:")
    throw notFollowed(request, `a ${next.protocol} address, where http: or https: is expected`);
  if (next.username !== "" || next.password !== "")
    throw notFollowed(request, `${originAndPath(next)} with a user name or password in the address`);
  return next;
}

const notFollowed = (request: HubRequest, where: string) =>
  unreachable(request, `redirects ${requested(request)} to ${where}`);

const requested = ({ file }: HubRequest): string => file ?? "the request";

/** A URL as messages show it: without the query, which may be a signature. */
const originAndPath = ({ origin, pathname }: URL): string => origin + pathname;

// Requests to the Hub: listing a repository, and a `fetch` with token, limits and redirects.

import { type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub";
import { BidoraError } from "../../common/errors.js";
import { AnswerTooLong, AnswerTooSlow, fetchWithin } from "../answer.js";
import { type HubQuestion, refusal, unreachable } from "./errors.js";
import { shownUrl, tokenFor } from "./options.js";

export interface RemoteFile {
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

/** The current commit of a branch, tag or commit hash. @throws BidoraError `HUB_…` */
export async function findCommit(question: HubQuestion, limits: RequestLimits): Promise<string> {
  const { repo, revision, settings } = question;
  const fetch = apiFetch(question, limits);
  const ask = () => modelInfo({ name: repo, revision, additionalFields: ["sha"], hubUrl: settings.endpoint, fetch });
  const info = await attempt(question, limits, ask);
  if (!/^[0-9a-f]{40}$/.test(info.sha)) throw unexpected(question, "the commit is not a hash");
  return info.sha;
}

/** The files in the root of a repository. @throws BidoraError `HUB_…` */
export async function listRemoteFiles(
  question: HubQuestion,
  commit: string,
  limits: RequestLimits,
): Promise<RemoteFile[]> {
  const { repo, settings } = question;
  const fetch = apiFetch(question, limits);
  const entries = listFiles({
    repo: { type: "model", name: repo },
    revision: commit,
    hubUrl: settings.endpoint,
    fetch,
  });
  const files: RemoteFile[] = [];
  await attempt(question, limits, async () => {
    for await (const entry of entries) if (entry.type === "file") files.push(remoteFile(question, entry));
  });
  return files;
}

function remoteFile(question: HubQuestion, { path, size, oid, lfs }: ListFileEntry): RemoteFile {
  const etag = lfs?.oid ?? oid ?? "";
  const bytes = lfs?.size ?? size;
  if (!isPlainName(path)) throw unexpected(question, "a file at the top is not a plain name");
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)) throw unexpected(question, `${path} has no checksum`);
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw unexpected(question, `${path} has no size`);
  return { path, size: bytes, etag };
}

/** Whether this is a file name without folders. */
function isPlainName(path: unknown): path is string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it refuses control characters on purpose
  return typeof path === "string" && /^[^/\\\u0000-\u001f]+$/.test(path) && path !== "." && path !== "..";
}

/** The download URL of a file. */
export function fileUrl({ repo, settings }: HubQuestion, commit: string, path: string): string {
  return `${settings.endpoint}/${repo}/resolve/${commit}/${encodeURIComponent(path)}`;
}

/** A `fetch` for API requests, whose responses are short and come in a few pages. */
function apiFetch(question: HubQuestion, limits: RequestLimits): typeof fetch {
  let pages = 0;
  const ask = hubFetch(question, limits, MAX_ANSWER_BYTES, limits.timeoutMs * SILENCES_PER_ANSWER);
  return (input, init) => {
    if (++pages > MAX_PAGES) throw unexpected(question, `it has more than ${MAX_PAGES} pages`);
    return ask(input, init);
  };
}

/**
 * A `fetch` that sends the token to the endpoint only (not along redirects), limits waiting time and size, and turns every failure
 * into a `BidoraError`. Status 416 is returned, since downloads handle it.
 */
export function hubFetch(
  question: HubQuestion,
  { timeoutMs, signal }: RequestLimits,
  maxBytes: number,
  wholeMs?: number,
): typeof fetch {
  const limits = { silenceMs: timeoutMs, wholeMs, maxBytes, signal };
  return async (input, init) => {
    const ask = (url: URL) => {
      const signed: RequestInit = { ...init, headers: headersFor(url, question, init), redirect: "manual" };
      return attempt(question, { signal }, () => fetchWithin(url, signed, limits));
    };
    const first = new URL(input instanceof Request ? input.url : input);
    const { response, url } = await throughRedirects(question, first, ask);
    if (response.ok || response.status === 416) return response;
    await response.body?.cancel();
    throw refusal(question, response, url);
  };
}

/** Request headers, with the token if the URL is on the endpoint. */
function headersFor(url: URL, { settings }: HubQuestion, init: RequestInit | undefined): Headers {
  const headers = new Headers(init?.headers);
  headers.set("User-Agent", "bidora");
  const token = tokenFor(url, settings);
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  return headers;
}

/** Runs a request. The caller's cancellation is rethrown as it is; every other failure becomes a `BidoraError`. */
export async function attempt<T>(
  question: HubQuestion,
  { signal }: Pick<RequestLimits, "signal">,
  request: () => Promise<T>,
): Promise<T> {
  try {
    return await request();
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof BidoraError) throw error;
    if (error instanceof AnswerTooLong) throw unexpected(question, `it ${error.message}`);
    if (error instanceof SyntaxError) throw unexpected(question, "it is not JSON");
    // A TypeError of fetch itself has a cause; one without comes from a response with missing fields.
    if (error instanceof TypeError && error.cause === undefined) throw unexpected(question, "parts of it are missing");
    throw unreachable(question, reason(error), error);
  }
}

function reason(error: unknown): string {
  if (error instanceof AnswerTooSlow) return error.message;
  const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
  return code === undefined ? "closed the connection" : `cannot be reached (${code})`;
}

function unexpected({ repo, settings }: HubQuestion, what: string): BidoraError {
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
  question: HubQuestion,
  first: URL,
  ask: (url: URL) => Promise<Response>,
): Promise<Answer> {
  let url = first;
  for (let followed = 0; ; followed++) {
    const response = await ask(url);
    const location = REDIRECTS.has(response.status) ? response.headers.get("Location") : null;
    if (location === null) return { response, url };
    await response.body?.cancel();
    url = nextOf(question, url, location);
    if (followed === MOST_REDIRECTS)
      throw unreachable(
        question,
        `redirects ${asked(question)} more than ${MOST_REDIRECTS} times, last to ${originAndPath(url)}`,
      );
  }
}

function nextOf(question: HubQuestion, url: URL, location: string): URL {
  if (!URL.canParse(location, url.href)) throw notFollowed(question, "something that is not an address");
  const next = new URL(location, url);
  if (next.protocol !== "http:" && next.protocol !== "https:")
    throw notFollowed(question, `a ${next.protocol} address, where http: or https: is expected`);
  if (next.username !== "" || next.password !== "")
    throw notFollowed(question, `${originAndPath(next)} with a user name or password in the address`);
  return next;
}

const notFollowed = (question: HubQuestion, where: string) =>
  unreachable(question, `redirects ${asked(question)} to ${where}`);

const asked = ({ file }: HubQuestion): string => file ?? "the request";

/** A URL as messages show it: without the query, which may be a signature. */
const originAndPath = ({ origin, pathname }: URL): string => origin + pathname;

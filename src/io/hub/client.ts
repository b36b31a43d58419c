import { type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub";
import { BidoraError } from "../../errors.js";
import { type HubQuestion, refusal, unreachable } from "./errors.js";
import { shownUrl } from "./settings.js";

export interface RemoteFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 of a large file, git's SHA-1 of a small one: also the name of its blob in the cache. */
  readonly etag: string;
}

export interface RequestLimits {
  /** Longest silence in milliseconds: until an answer, and within a download between two pieces of it. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The commit that a branch, tag or commit hash stands for now. @throws BidoraError `HUB_…` */
export async function findCommit(question: HubQuestion, limits: RequestLimits): Promise<string> {
  const { repo, revision, settings } = question;
  const fetch = hubFetch(question, limits);
  const ask = () => modelInfo({ name: repo, revision, additionalFields: ["sha"], hubUrl: settings.endpoint, fetch });
  const info = await attempt(question, limits, ask);
  if (!/^[0-9a-f]{40}$/.test(info.sha)) throw unexpected(question, "the commit is not a hash");
  return info.sha;
}

/** The files at the top of a repository. @throws BidoraError `HUB_…` */
export async function listRemoteFiles(
  question: HubQuestion,
  commit: string,
  limits: RequestLimits,
): Promise<RemoteFile[]> {
  const { repo, settings } = question;
  const fetch = hubFetch(question, limits);
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
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)) throw unexpected(question, `${path} has no checksum`);
  return { path, size: lfs?.size ?? size, etag };
}

/** Where the contents of a file are. */
export function fileUrl({ repo, settings }: HubQuestion, commit: string, path: string): string {
  return `${settings.endpoint}/${repo}/resolve/${commit}/${encodeURIComponent(path)}`;
}

/**
 * A `fetch` that signs requests to the endpoint (and to nothing else, redirects included), limits the silence, and turns every
 * failure into one sentence. Status 416 is passed on: a download has its own answer to it.
 */
export function hubFetch(question: HubQuestion, limits: RequestLimits): typeof fetch {
  const { endpoint, token } = question.settings;
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init?.headers);
    headers.set("User-Agent", "bidora");
    if (token !== undefined && url.origin === new URL(endpoint).origin) headers.set("Authorization", `Bearer ${token}`);
    const silence = AbortSignal.timeout(limits.timeoutMs);
    const signals = [limits.signal, init?.signal ?? silence].filter((signal) => signal !== undefined);
    const response = await attempt(question, limits, () =>
      fetch(url, { ...init, headers, signal: AbortSignal.any(signals) }),
    );
    if (!response.ok && response.status !== 416) throw refusal(question, response);
    return response;
  };
}

/** Runs a request; the caller's own cancellation passes through, every other failure says why the Hub cannot be reached. */
export async function attempt<T>(question: HubQuestion, limits: RequestLimits, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    limits.signal?.throwIfAborted();
    if (error instanceof BidoraError) throw error;
    if (error instanceof SyntaxError) throw unexpected(question, "it is not JSON");
    throw unreachable(question, reason(error), error);
  }
}

function reason(error: unknown): string {
  const { name, cause } = error as Error;
  if (name === "TimeoutError" || name === "AbortError") return "did not answer in time";
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code === undefined ? "broke the connection off" : `cannot be reached (${code})`;
}

function unexpected({ repo, settings }: HubQuestion, what: string): BidoraError {
  return new BidoraError(
    "HUB_FAILED",
    `${shownUrl(settings.endpoint)} gave an answer about ${repo} that was not expected: ${what}.`,
  );
}

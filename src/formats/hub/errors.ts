// Errors of the Hub, each with advice.

import { BidoraError } from "../../base/index.js";
import { type HubSettings, shownUrl } from "./options.js";

/** What is requested, for messages. */
export interface HubRequest {
  readonly repo: string;
  readonly revision: string;
  readonly settings: HubSettings;
  /** The file that is downloaded; undefined for requests about the repository. */
  readonly file?: string | undefined;
}

/** Whether the Hub didn't answer or asked to retry later, so that the cached copy may be used. */
export function isUnreachable(error: unknown): error is BidoraError {
  return error instanceof BidoraError && error.code === "HUB_UNREACHABLE";
}

export function unreachable({ repo, settings }: HubRequest, why: string, cause?: unknown): BidoraError {
  return new BidoraError(
    "HUB_UNREACHABLE",
    `${repo} cannot be fetched: ${shownUrl(settings.endpoint)} ${why}; set HF_ENDPOINT to a mirror that can be reached, or give a local folder.`,
    { cause },
  );
}

export function notCached({ repo, revision, settings }: HubRequest): BidoraError {
  return new BidoraError(
    "HUB_OFFLINE",
    `${repo} (revision ${revision}) is not in the cache ${settings.cacheFolder}, and offline mode forbids asking the Hub; unset HF_HUB_OFFLINE, or give a local folder.`,
  );
}

/**
 * The error for a response other than success. Its body is not shown, because it may repeat what was sent.
 * @param url the URL that answered, after redirects
 */
export function refusal(request: HubRequest, response: Response, url: URL): BidoraError {
  const { repo, settings, file } = request;
  const { status, headers } = response;
  if (url.origin !== new URL(settings.endpoint).origin) return refusedElsewhere(request, status, url);
  if (status === 401) return unauthorized(request);
  const host = shownUrl(settings.endpoint);
  if (status === 403) {
    return new BidoraError(
      "HUB_FORBIDDEN",
      `${host} refuses access to ${repo} (403): accept its conditions at ${host}/${repo} with the account of your HF_TOKEN.`,
    );
  }
  if (status === 404) return new BidoraError("HUB_NOT_FOUND", whatIsMissing(request, headers.get("X-Error-Code")));
  if (status === 429 || status >= 500) return unreachable(request, `answered with status ${status}`);
  return new BidoraError(
    "HUB_FAILED",
    `${host} answered the request for ${file === undefined ? repo : `${file} of ${repo}`} with the unexpected status ${status}.`,
  );
}

function unauthorized({ repo, settings }: HubRequest): BidoraError {
  const [whom, advice] =
    settings.token === undefined
      ? ["without a token", "or set HF_TOKEN if it is private or gated"]
      : ["to this token", "and that HF_TOKEN is valid"];
  const host = shownUrl(settings.endpoint);
  return new BidoraError("HUB_UNAUTHORIZED", `${host} does not show ${repo} ${whom} (401): check the name, ${advice}.`);
}

function whatIsMissing({ repo, revision, settings, file }: HubRequest, fault: string | null): string {
  const host = shownUrl(settings.endpoint);
  if (fault === "RevisionNotFound")
    return `${repo} has no revision '${revision}' (404): expected a branch, a tag or a full commit hash.`;
  if (file !== undefined)
    return `${host} lists ${file} in ${repo} but has no such file (404): try again later, give another --revision, or set HF_ENDPOINT to another mirror.`;
  return `There is no model ${repo} at ${host} (404), and no local folder of that name: check the spelling.`;
}

/** The error for a response from a server that the Hub redirected to, which knows nothing of tokens or revisions. */
function refusedElsewhere(request: HubRequest, status: number, { origin }: URL): BidoraError {
  const { repo, settings, file } = request;
  const what = file === undefined ? "the request" : file;
  if (status === 429 || status >= 500)
    return unreachable(request, `redirects ${what} to ${origin}, which answered with status ${status}`);
  return new BidoraError(
    "HUB_FAILED",
    `${shownUrl(settings.endpoint)} redirects ${what} of ${repo} to ${origin}, which answered with status ${status}: try again later, or set HF_ENDPOINT to another mirror.`,
  );
}

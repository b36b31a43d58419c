// Settings of the Hub: from the environment, and as options of a call.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import {
  aFunction,
  aNumber,
  anObject,
  aSwitch,
  aText,
  CACHE_SETTING,
  type CallContext,
  type Environment,
  optional,
  options,
  signal,
  UsageError,
  userCache,
} from "../../base/index.js";

/** How the Hub is reached, from the environment variables that Python's huggingface_hub reads. */
export interface HubSettings {
  /** Without a trailing slash. */
  readonly endpoint: string;
  readonly cacheFolder: string;
  readonly token: string | undefined;
  readonly offline: boolean;
}

/** The environment variables that set the cache folder. */
export const HUB_CACHE_SETTING = `HF_HUB_CACHE, HF_HOME or ${CACHE_SETTING}`;

/** Reads the settings. @throws UsageError for an invalid HF_ENDPOINT */
export function hubSettings(environment: Environment = process.env): HubSettings {
  return {
    endpoint: endpointOf(environment.HF_ENDPOINT || "https://huggingface.co"),
    cacheFolder: hubCacheFolder(environment),
    token: findToken(environment, hubHome(environment)),
    offline: isTrue(environment.HF_HUB_OFFLINE || environment.TRANSFORMERS_OFFLINE),
  };
}

/** The folder of the cache. */
export function hubCacheFolder(environment: Environment): string {
  const named = environment.HF_HUB_CACHE || environment.HUGGINGFACE_HUB_CACHE;
  return expandHome(named || join(hubHome(environment), "hub"));
}

/** A text as messages show it: URLs without user name and password. */
export function shownUrl(text: string): string {
  return text.replace(/\/\/[^/\s]*@/g, "//");
}

function endpointOf(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || /[?#]/.test(address))
    throw new UsageError(
      `HF_ENDPOINT must be an address such as https://hub.example.org, but is '${address.replace(/^.*@/s, "…@")}'.`,
    );
  if (url.username !== "" || url.password !== "")
    throw new UsageError(
      `HF_ENDPOINT must have no user name or password in it: set it to ${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}, and HF_TOKEN to a token if the Hub asks for one.`,
    );
  return address.replace(/\/+$/, "");
}

/**
 * The token to send to a URL: only the endpoint gets it.
 * @throws UsageError for a token that can't be sent, without showing it
 */
export function tokenFor(url: URL, { endpoint, token }: HubSettings): string | undefined {
  if (token === undefined || url.origin !== new URL(endpoint).origin) return undefined;
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new UsageError(
    "The Hub's token can't be sent, because it contains a line break, a space or a non-ASCII character: set HF_TOKEN (or the token file) to the token alone.",
  );
}

function hubHome(environment: Environment): string {
  return expandHome(environment.HF_HOME || join(userCache(environment), "huggingface"));
}

function findToken(environment: Environment, home: string): string | undefined {
  const given = environment.HF_TOKEN || environment.HUGGING_FACE_HUB_TOKEN;
  if (given) return given.trim() || undefined;
  if (isTrue(environment.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  try {
    return readFileSync(expandHome(environment.HF_TOKEN_PATH || join(home, "token")), "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}

function expandHome(path: string): string {
  return path.replace(/^~(?=\/|$)/, homedir());
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && /^(1|on|yes|true)$/i.test(value);
}

/** How a Hub repository is found and downloaded. */
export interface HubOptions extends CallContext {
  /** A branch, a tag or a full commit hash; `main` by default. */
  readonly revision?: string | undefined;
  /** Use only the cache. `HF_HUB_OFFLINE` does the same. */
  readonly offline?: boolean | undefined;
  /** The access token, instead of `HF_TOKEN` or the token file. */
  readonly token?: string | undefined;
  readonly environment?: Environment | undefined;
  /** Longest wait in milliseconds for the Hub's next response or bytes. */
  readonly timeoutMs?: number | undefined;
  readonly retryDelayMs?: number | undefined;
}

/** A call that may open folders of the Hub. */
export interface HubContext extends CallContext {
  readonly hub?: HubOptions | undefined;
}

/** The options for the Hub of a call: its own signal, progress and notes, unless `hub` has others. */
export const hubOptionsOf = ({ signal, onProgress, onNote, hub }: HubContext): HubOptions => ({
  ...{ signal, onProgress, onNote },
  ...hub,
});

/** Checks the options of calls that access the Hub. */
export const hubOptions = options({
  revision: optional(aText),
  offline: optional(aSwitch),
  token: optional(aText),
  environment: optional(anObject),
  timeoutMs: optional(aNumber),
  retryDelayMs: optional(aNumber),
  signal,
  onProgress: optional(aFunction),
  onNote: optional(aFunction),
} satisfies Record<keyof HubOptions, unknown>);

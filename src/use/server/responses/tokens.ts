/** Tokens and their log-probabilities, as responses show them. */
import type { TokenBytes } from "../../../text/index.js";
import type { TokenLogprobs } from "../engine/job.js";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A token's text; of bytes that are no whole characters, OpenAI's notation: `bytes:\xe2\x9c`. */
export function tokenText(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
  }
}

/** The log-probabilities of a chat's tokens. */
export function chatLogprobs(tokens: readonly TokenLogprobs[], bytes: TokenBytes) {
  const shown = (token: number, logprob: number) => {
    const own = bytes.of(token);
    return { token: tokenText(own), logprob, bytes: [...own] };
  };
  return {
    content: tokens.map(({ token, logprob, top }) => ({
      ...shown(token, logprob),
      top_logprobs: top.map(([id, own]) => shown(id, own)),
    })),
  };
}

/** The log-probabilities of a completion's tokens, a list each with one entry a token. */
export interface CompletionLogprobs {
  readonly tokens: readonly string[];
  /** Null for the first token of a prompt. */
  readonly token_logprobs: readonly (number | null)[];
  /** The most likely tokens, among them the token itself; null for the first token of a prompt. */
  readonly top_logprobs: readonly (Readonly<Record<string, number>> | null)[];
  /** Where each token begins in the choice's text, in code points. */
  readonly text_offset: readonly number[];
}

export interface PlacedToken {
  readonly id: number;
  readonly offset: number;
  /** Undefined for the first token of a prompt. */
  readonly logprobs: TokenLogprobs | undefined;
}

export function completionLogprobs(tokens: readonly PlacedToken[], bytes: TokenBytes): CompletionLogprobs {
  return {
    tokens: tokens.map(({ id }) => tokenText(bytes.of(id))),
    token_logprobs: tokens.map(({ logprobs }) => logprobs?.logprob ?? null),
    top_logprobs: tokens.map(({ logprobs }) => (logprobs ? topOf(logprobs, bytes) : null)),
    text_offset: tokens.map(({ offset }) => offset),
  };
}

/** Of tokens that have the same text, the most likely one counts. */
function topOf({ token, logprob, top }: TokenLogprobs, bytes: TokenBytes): Readonly<Record<string, number>> {
  const all = [...top, [token, logprob] as const].map(([id, own]) => [tokenText(bytes.of(id)), own] as const);
  return Object.fromEntries(all.toReversed().sort(([, a], [, b]) => a - b));
}

/** The number of characters that begin in some bytes of UTF-8. */
export const charactersIn = (bytes: Uint8Array): number =>
  bytes.reduce((sum, byte) => sum + ((byte & 0xc0) === 0x80 ? 0 : 1), 0);

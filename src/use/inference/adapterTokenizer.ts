/** Notes on a tokenizer in an adapter's folder: the base model's is used instead. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CallContext } from "../../base/index.js";
import { loadTokenizer, TOKENIZER_FILES, type Tokenizer } from "../../text/index.js";

interface Given {
  /** What messages call the adapter. */
  readonly name: string;
  readonly folder: string;
  /** The base model's folder. */
  readonly source: string;
  /** Whether chats are written with its template. */
  readonly chats: boolean;
}

/** Says what differs between the tokenizer in an adapter's folder, if there is one, and the one that is used. */
export async function noteOtherTokenizer(
  { name, folder, source, chats }: Given,
  used: Tokenizer,
  { onNote }: CallContext,
): Promise<void> {
  if (!existsSync(join(folder, "tokenizer.json")) || TOKENIZER_FILES.every((file) => isSame(folder, source, file)))
    return;
  const own = await loadTokenizer(folder).catch(() => undefined);
  if (!own) return;
  const unlike = (what: string, more = "") => onNote?.(`${name}: the adapter's folder has another ${what}${more}.`);
  if (chats && own.chatTemplateText !== used.chatTemplateText) unlike("chat template than the one that is used", GIVE);
  if (own.size !== used.size) unlike("vocabulary than the base model, whose own is used");
  const ends = [own, used].map((one) => one.specialTokenId("eos_token"));
  if (chats && ends[0] !== ends[1]) unlike("eos_token than the base model, whose own is used");
}

const GIVE = ": give that one with --chat-template, or put it into the base model's folder";

const isSame = (a: string, b: string, name: string): boolean => {
  const [one, other] = [join(a, name), join(b, name)];
  if (!existsSync(one) || !existsSync(other)) return existsSync(one) === existsSync(other);
  return readFileSync(one).equals(readFileSync(other));
};

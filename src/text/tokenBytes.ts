/** The bytes of single tokens: a token may be part of a character, which has no text of its own. */
import { isJsonObject, type JsonObject } from "../base/records/index.js";
import type { Tokenizer } from "./tokenizer.js";

const utf8 = new TextEncoder();

/** Gives tokens' bytes, as they are in a decoded text. */
export class TokenBytes {
  /** Whether each added token is special, by id. */
  readonly #added: ReadonlyMap<number, boolean>;
  readonly #isByteLevel: boolean;
  readonly #hasFallback: boolean;
  /** Whether a text is the bytes of its tokens, one after the other. */
  readonly areJoined: boolean;

  constructor(private readonly tokenizer: Pick<Tokenizer, "json" | "tokenText">) {
    const { decoder, added_tokens } = tokenizer.json as JsonObject;
    const steps = JSON.stringify(decoder ?? null);
    const added = Array.isArray(added_tokens) ? added_tokens.filter(isJsonObject) : [];
    this.#added = new Map(added.map(({ id, special }) => [id as number, special === true] as const));
    this.#isByteLevel = steps.includes('"ByteLevel"');
    this.#hasFallback = steps.includes('"ByteFallback"');
    this.areJoined = this.#isByteLevel || this.#hasFallback || steps.includes('"Metaspace"');
  }

  /** Whether texts are decoded without this token. */
  isSpecial(id: number): boolean {
    return this.#added.get(id) === true;
  }

  /** The bytes of a token; none for an unknown id. */
  of(id: number): Uint8Array {
    const text = this.tokenizer.tokenText(id) ?? "";
    if (this.#added.has(id)) return utf8.encode(text);
    if (this.#isByteLevel) return Uint8Array.from(text, (character) => BYTE_OF.get(character) ?? 0);
    const byte = this.#hasFallback ? /^<0x([0-9A-F]{2})>$/.exec(text)?.[1] : undefined;
    return byte === undefined ? utf8.encode(text.replaceAll("▁", " ")) : Uint8Array.of(Number.parseInt(byte, 16));
  }
}

/** The byte for which a character stands in byte-level vocabularies: a printable one for itself, others for those from U+0100 on, in order. */
const BYTE_OF: ReadonlyMap<string, number> = (() => {
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return new Map(
    Array.from({ length: 0x100 }, (_, byte) => [String.fromCharCode(isPrintable(byte) ? byte : next++), byte] as const),
  );
})();

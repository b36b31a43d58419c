// Decodes tokens: all at once, as a stream, the end of a long text only, or to bytes.
import { isJsonObject, type JsonObject, type JsonValue } from "../base/records/index.js";
import type { NativeTokenizer } from "./native.js";
import { addedTokensOf } from "./tokenizerJson.js";

/** U+FFFD, which bytes decode to that are not valid UTF-8, or not yet. */
const REPLACEMENT = "\uFFFD";

/** Options of decoding. */
export interface DecodeOptions {
  /** Whether to leave out special tokens; true if not given. */
  readonly skipSpecialTokens?: boolean | undefined;
}

/** The replacements of `clean_up_tokenization_spaces`, in their order. */
const CLEANED: readonly (readonly [string, string])[] = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

const cleaned = (text: string): string => CLEANED.reduce((done, [from, to]) => done.replaceAll(from, to), text);

/** Decodes tokens as transformers does. */
export class TokenDecoder {
  /** The ids of tokens for single bytes (byte fallback). A run of them that is not valid UTF-8 becomes one U+FFFD per byte. */
  readonly #bytes: ReadonlySet<number>;
  readonly #specials: ReadonlySet<number>;
  readonly #cleansUp: boolean;

  constructor(
    private readonly native: NativeTokenizer,
    spec: JsonObject,
    { clean_up_tokenization_spaces }: JsonObject,
  ) {
    const { decoder, model } = spec;
    this.#bytes = JSON.stringify(decoder ?? null).includes('"ByteFallback"') ? bytesOf(native) : new Set();
    this.#specials = specialsOf(spec);
    this.#cleansUp = clean_up_tokenization_spaces === true && isJsonObject(model) && model.type !== "BPE";
  }

  async decode(ids: readonly number[], { skipSpecialTokens = true }: DecodeOptions = {}): Promise<string> {
    const text = await this.native.decode([...ids], skipSpecialTokens);
    return this.#cleansUp ? cleaned(text) : text;
  }

  /** Whether `text`, decoded from these tokens, stays the same whatever tokens follow. A byte token may end a run that continues. */
  isSettled(ids: readonly number[], text: string, { skipSpecialTokens = true }: DecodeOptions = {}): boolean {
    if (text.endsWith(REPLACEMENT) || this.#cleansUp) return false;
    const last = ids.findLast((id) => !(skipSpecialTokens && this.#specials.has(id)));
    return last === undefined || !this.#bytes.has(last);
  }

  /** Where the run of byte tokens around `at` begins; `at` outside a run. Special tokens do not end a run. */
  runStart(ids: readonly number[], at: number): number {
    if (this.#bytes.size === 0) return at;
    let start = at;
    while (start > 0 && this.#mayJoin(ids[start - 1]!)) start--;
    return start;
  }

  #mayJoin(id: number): boolean {
    return this.#bytes.has(id) || this.#specials.has(id);
  }
}

function bytesOf(native: NativeTokenizer): ReadonlySet<number> {
  const bytes = new Set<number>();
  for (let byte = 0; byte < 0x100; byte++) {
    const id = native.tokenToId(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    if (id !== null) bytes.add(id);
  }
  return bytes;
}

function specialsOf(spec: JsonObject): ReadonlySet<number> {
  return new Set(
    addedTokensOf(spec)
      .filter(({ special }) => special === true)
      .map(({ id }) => id as number),
  );
}

/**
 * Decodes tokens one by one. The pieces put together are the text that the tokenizer decodes from all tokens at once: text that
 * further tokens may change is held back.
 */
export class TextStream {
  /** Tokens whose text was returned last, as the text of new tokens depends on them, and then the new tokens. */
  #ids: number[] = [];
  /** How many of them have had their text returned. */
  #returned = 0;

  /** @param before tokens that the text continues; theirs is not part of it */
  constructor(
    private readonly decoder: Pick<TokenDecoder, "decode" | "isSettled">,
    private readonly options: DecodeOptions = {},
    before: readonly number[] = [],
  ) {
    this.#ids.push(...before);
    this.#returned = before.length;
  }

  /** Adds tokens. @returns the text that has become certain, perhaps an empty string */
  async put(...ids: readonly number[]): Promise<string> {
    this.#ids.push(...ids);
    const { before, after } = await this.#texts();
    if (after.length <= before.length || !this.decoder.isSettled(this.#ids, after, this.options)) return "";
    this.#ids = this.#ids.slice(this.#returned);
    this.#returned = this.#ids.length;
    return after.slice(before.length);
  }

  /** Ends the stream. @returns the rest of the text, with U+FFFD for incomplete characters */
  async end(): Promise<string> {
    const { before, after } = await this.#texts();
    this.#ids = [];
    this.#returned = 0;
    return after.slice(before.length);
  }

  async #texts(): Promise<{ before: string; after: string }> {
    const [before, after] = await Promise.all([
      this.decoder.decode(this.#ids.slice(0, this.#returned), this.options),
      this.decoder.decode(this.#ids, this.options),
    ]);
    return { before, after };
  }
}

/** One character spans at most this many tokens, so a new token can change the text of that many. */
const CHARACTER = 4;
/** How many characters at the start of a text may depend on the tokens before it: a partial character, a stripped space, a contraction. */
const MARGIN = 16;

/**
 * The end of the text of tokens: what the newest may have changed, and at least `length` characters before that. Decodes no more
 * tokens than needed.
 * @param before tokens that the text continues; theirs is not part of it
 */
export async function textEnd(
  decoder: Pick<TokenDecoder, "decode" | "runStart">,
  ids: readonly number[],
  length: number,
  before: readonly number[] = [],
): Promise<string> {
  const fresh = await decoder.decode(ids.slice(-CHARACTER));
  const wanted = length + fresh.length + CHARACTER;
  for (let count = wanted + MARGIN; count < ids.length; count *= 2) {
    const text = await decoder.decode(ids.slice(decoder.runStart(ids, ids.length - count)));
    if (text.length >= wanted + MARGIN) return text.slice(-wanted);
  }
  if (before.length === 0) return decoder.decode(ids);
  const [own, all] = await Promise.all([decoder.decode(before), decoder.decode([...before, ...ids])]);
  return all.slice(own.length);
}

const utf8 = new TextEncoder();

/** Gives the bytes of single tokens, as they are in a decoded text: a token may be part of a character, which has no text of its own. */
export class TokenBytes {
  /** Whether each added token is special, by id. */
  readonly #added: ReadonlyMap<number, boolean>;
  readonly #isByteLevel: boolean;
  readonly #hasFallback: boolean;
  /** How many spaces a text leaves out at its start. */
  readonly #stripped: number;
  /** Whether a text is the bytes of its tokens, one after the other. */
  readonly areJoined: boolean;

  constructor(
    private readonly tokenizer: {
      readonly json: Readonly<Record<string, unknown>>;
      tokenText(id: number): string | undefined;
    },
  ) {
    const spec = tokenizer.json as JsonObject;
    const steps = JSON.stringify(spec.decoder ?? null);
    this.#added = new Map(addedTokensOf(spec).map(({ id, special }) => [id as number, special === true] as const));
    this.#isByteLevel = steps.includes('"ByteLevel"');
    this.#hasFallback = steps.includes('"ByteFallback"');
    this.#stripped = strippedBy(spec.decoder);
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
    return this.#byteOf(id) ?? utf8.encode(text.replaceAll("▁", " "));
  }

  /** The bytes of a token at the start of a text. */
  atStart(id: number): Uint8Array {
    const bytes = this.of(id);
    const spaces = bytes.findIndex((byte) => byte !== SPACE);
    return bytes.subarray(Math.min(this.#stripped, spaces < 0 ? bytes.length : spaces));
  }

  /**
   * The last of some tokens that has whole characters, in a list: after it, further tokens decode as after all of them. An empty list if
   * texts lose no spaces at their start.
   */
  contextIn(ids: readonly number[]): readonly number[] {
    if (this.#stripped === 0) return [];
    const last = ids.findLast((id) => !this.isSpecial(id) && !this.#byteOf(id));
    return last === undefined ? [] : [last];
  }

  /** The byte of a token for a single one. */
  #byteOf(id: number): Uint8Array | undefined {
    const byte = this.#hasFallback ? /^<0x([0-9A-F]{2})>$/.exec(this.tokenizer.tokenText(id) ?? "")?.[1] : undefined;
    return byte === undefined ? undefined : Uint8Array.of(Number.parseInt(byte, 16));
  }
}

const SPACE = 0x20;

/** How many spaces a decoder leaves out at the start of a text: those that tokenizers put there. */
function strippedBy(decoder: JsonValue | undefined): number {
  if (!isJsonObject(decoder)) return 0;
  const { type, decoders, start, prepend_scheme, add_prefix_space } = decoder;
  if (Array.isArray(decoders)) return decoders.reduce<number>((sum, step) => sum + strippedBy(step), 0);
  if (type === "Metaspace")
    return prepend_scheme === "never" || add_prefix_space === false ? 0 : Number.POSITIVE_INFINITY;
  return type === "Strip" && typeof start === "number" ? start : 0;
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

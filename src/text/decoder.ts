/** Decodes tokens: all at once, as a stream, or the end of a long text only. */
import { isJsonObject, type JsonObject } from "../base/records/index.js";
import type { NativeTokenizer } from "./native.js";

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
    { decoder, model, added_tokens }: JsonObject,
    { clean_up_tokenization_spaces }: JsonObject,
  ) {
    this.#bytes = JSON.stringify(decoder ?? null).includes('"ByteFallback"') ? bytesOf(native) : new Set();
    this.#specials = specialsOf(added_tokens);
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
    while (start > 0 && this.#mayJoin(ids[start - 1] as number)) start--;
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

function specialsOf(tokens: unknown): ReadonlySet<number> {
  const listed = Array.isArray(tokens) ? tokens.filter(isJsonObject) : [];
  return new Set(listed.filter(({ special }) => special === true).map(({ id }) => id as number));
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

  constructor(
    private readonly decoder: Pick<TokenDecoder, "decode" | "isSettled">,
    private readonly options: DecodeOptions = {},
  ) {}

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
 */
export async function textEnd(
  decoder: Pick<TokenDecoder, "decode" | "runStart">,
  ids: readonly number[],
  length: number,
): Promise<string> {
  const fresh = await decoder.decode(ids.slice(-CHARACTER));
  const wanted = length + fresh.length + CHARACTER;
  for (let count = wanted + MARGIN; count < ids.length; count *= 2) {
    const text = await decoder.decode(ids.slice(decoder.runStart(ids, ids.length - count)));
    if (text.length >= wanted + MARGIN) return text.slice(-wanted);
  }
  return decoder.decode(ids);
}

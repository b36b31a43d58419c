import { isJsonObject, type JsonObject } from "../files/json.js";
import type { NativeTokenizer } from "./native.js";

/** What stands for bytes that are no character, or not yet. */
const REPLACEMENT = "\uFFFD";

/** How tokens become a text. */
export interface DecodeOptions {
  /** Whether special tokens are left out; true if not given. */
  readonly skipSpecialTokens?: boolean | undefined;
}

/** What `clean_up_tokenization_spaces` replaces, in this order. */
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

/** The text of tokens, as transformers decodes it. */
export class Decoder {
  /** Tokens that stand for one byte each, by id. In a run of them that isn't valid UTF-8, every byte becomes U+FFFD. */
  readonly #bytes: ReadonlyMap<number, number>;
  /** A token for a byte above ASCII: after others it shows whether theirs may still be replaced. */
  readonly #highByte: number | undefined;
  readonly #specials: ReadonlySet<number>;
  readonly #cleansUp: boolean;

  constructor(
    private readonly native: NativeTokenizer,
    { decoder, model, added_tokens }: JsonObject,
    { clean_up_tokenization_spaces }: JsonObject,
  ) {
    this.#bytes = JSON.stringify(decoder ?? null).includes('"ByteFallback"') ? bytesOf(native) : new Map();
    this.#highByte = [...this.#bytes].find(([, byte]) => byte > 0x7f)?.[0];
    this.#specials = specialsOf(added_tokens);
    this.#cleansUp = clean_up_tokenization_spaces === true && isJsonObject(model) && model.type !== "BPE";
  }

  async decode(ids: readonly number[], { skipSpecialTokens = true }: DecodeOptions = {}): Promise<string> {
    const text = await this.native.decode([...ids], skipSpecialTokens);
    return this.#cleansUp ? cleaned(text) : text;
  }

  /** Whether `text`, that of these tokens, stays as it is whatever tokens follow. */
  async isSettled(ids: readonly number[], text: string, options: DecodeOptions = {}): Promise<boolean> {
    if (text.endsWith(REPLACEMENT) || this.#cleansUp) return false;
    if (this.#highByte === undefined) return true;
    return (await this.decode([...ids, this.#highByte], options)).startsWith(text);
  }

  /** Where the run of byte tokens that holds `at` begins; special tokens don't end a run. `at` itself outside a run. */
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

function bytesOf(native: NativeTokenizer): ReadonlyMap<number, number> {
  const bytes = new Map<number, number>();
  for (let byte = 0; byte < 0x100; byte++) {
    const id = native.tokenToId(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    if (id !== null) bytes.set(id, byte);
  }
  return bytes;
}

function specialsOf(tokens: unknown): ReadonlySet<number> {
  const listed = Array.isArray(tokens) ? tokens.filter(isJsonObject) : [];
  return new Set(listed.filter(({ special }) => special === true).map(({ id }) => id as number));
}

// A Hugging Face tokenizer: encodes texts, pairs, words and windows, and decodes tokens.
import type { TokenizerFile } from "../base/index.js";
import { isJsonObject, type JsonObject } from "../base/records/index.js";
import { boundariesOf } from "./boundaries.js";
import { type ChatTemplate, chatTemplateOf, chatTemplateText } from "./chatTemplate.js";
import { type DecodeOptions, TokenDecoder } from "./decoder.js";
import {
  assemble,
  type Encoded,
  type Layout,
  probeLayout,
  type Side,
  type TextTokens,
  tokensOf,
  type Window,
  windowsOf,
} from "./layout.js";
import { createNative, type NativeTokenizer } from "./native.js";
import { type EncodedWords, prefixingEncoder, rowOfWords, rowsOfWords } from "./splitWords.js";
import { BoundedEncoder, type Start, StartEncoder } from "./start.js";
import { requireWellFormed } from "./surrogates.js";
import {
  modelInputNames,
  modelMaxLength,
  type SpecialToken,
  specialToken,
  TOKEN_TYPES,
  type TokenizerSettings,
  truncationSide,
} from "./tokenizerSettings.js";

/** One text, or a pair. */
export type Texts = readonly [string] | readonly [string, string];

/** Truncation. */
export interface TokenizeOptions {
  /** The most tokens of a row, with special tokens; longer texts are truncated on the tokenizer's side, the longest first. */
  readonly maxLength?: number | undefined;
  /** How many characters of a text that will be truncated to tokenize first; derived from `maxLength` if not given. */
  readonly firstCharacters?: number | undefined;
}

/** A tokenizer. Rows are not padded, and truncated only with `maxLength`. */
export class Tokenizer {
  readonly #native: NativeTokenizer;
  readonly #encoder: StartEncoder;
  readonly #bounded: BoundedEncoder;
  readonly #decoder: TokenDecoder;
  readonly #files: readonly TokenizerFile[];
  readonly #spec: JsonObject;
  readonly #layouts = new Map<number, Promise<Layout>>();
  #wordEncoder: StartEncoder | undefined;
  /** The side on which texts are truncated. */
  readonly #side: Side;
  readonly #settings: TokenizerSettings;
  /** By whether conversations have tools. */
  readonly #chatTemplates = new Map<boolean, ChatTemplate>();

  /** The id of the padding token, if the tokenizer has one. */
  readonly padTokenId: number | undefined;
  /** The id of the token that ends a text, if the tokenizer has one. */
  readonly eosTokenId: number | undefined;
  /** The most tokens that the model supports; undefined if the folder names no limit. */
  readonly modelMaxLength: number | undefined;
  /** The inputs of the model: `input_ids`, `attention_mask`, perhaps `token_type_ids`. */
  readonly modelInputNames: readonly string[];
  /** Whether the model has token types, which tell two texts apart. */
  readonly givesTypes: boolean;

  /** @param text `nativeText(spec)` */
  constructor(spec: JsonObject, text: string, settings: TokenizerSettings, files: readonly TokenizerFile[]) {
    this.#spec = spec;
    this.#native = createNative(text);
    const boundaries = boundariesOf(spec);
    this.#encoder = new StartEncoder(this.#native, boundaries);
    this.#bounded = new BoundedEncoder(this.#native, boundaries);
    this.#decoder = new TokenDecoder(this.#native, spec, settings.config);
    this.#files = files;
    this.#settings = settings;
    this.padTokenId = padTokenId(this.#native, settings);
    this.eosTokenId = this.specialTokenId("eos_token");
    this.modelMaxLength = modelMaxLength(settings.config.model_max_length);
    this.modelInputNames = modelInputNames(settings, isJsonObject(spec.model) ? spec.model.type : undefined);
    this.givesTypes = this.modelInputNames.includes(TOKEN_TYPES);
    this.#side = truncationSide(settings, spec);
  }

  /** The size of the vocabulary, with added tokens. */
  get size(): number {
    return this.#native.getVocabSize(true);
  }

  /** The names of the tokenizer's files in its folder. */
  files(): readonly string[] {
    return this.#files;
  }

  /** The chat template. @throws BidoraError if the tokenizer has none, or one with a syntax error */
  chatTemplate(hasTools = false): ChatTemplate {
    const template = this.#chatTemplates.get(hasTools) ?? chatTemplateOf(this.#settings, hasTools);
    this.#chatTemplates.set(hasTools, template);
    return template;
  }

  /** The `tokenizer.json` that it is made from. */
  get json(): Readonly<Record<string, unknown>> {
    return this.#spec;
  }

  /** The text of the chat template; undefined if there is none. */
  get chatTemplateText(): string | undefined {
    return chatTemplateText(this.#settings, false);
  }

  /** Whether the chat template is a list of named ones, which no file or option overrides. */
  get hasNamedTemplates(): boolean {
    return this.#settings.chatTemplate === undefined && Array.isArray(this.#settings.config.chat_template);
  }

  /** The text of the chat template for conversations with tools; undefined if there is none. */
  get toolTemplateText(): string | undefined {
    return chatTemplateText(this.#settings, true);
  }

  /** The id of the special token with a role, if there is one. */
  specialTokenId(role: SpecialToken): number | undefined {
    const token = specialToken(this.#settings, role);
    return (token === undefined ? undefined : this.#native.tokenToId(token)) ?? undefined;
  }

  /** The id of a token in the vocabulary's spelling. */
  tokenId(text: string): number | undefined {
    return this.#native.tokenToId(text) ?? undefined;
  }

  /** A token in the vocabulary's spelling. */
  tokenText(id: number): string | undefined {
    return this.#native.idToToken(id) ?? undefined;
  }

  /** The special tokens that the tokenizer adds after a text. */
  async suffixIds(): Promise<readonly number[]> {
    return (await this.layoutOf(1)).pieces[1]!.ids;
  }

  /** The special tokens that the tokenizer adds before a text. */
  async prefixIds(): Promise<readonly number[]> {
    return (await this.layoutOf(1)).pieces[0]!.ids;
  }

  /** The tokens of texts with their offsets. Special tokens in the texts are recognized, none are added. */
  tokensOf(texts: readonly string[]): Promise<TextTokens[]> {
    return tokensOf(this.#native, texts);
  }

  /**
   * The tokens of a text as `tokensOf` gives them; undefined if it is long and has more than `most`.
   * @throws RefusedText; the signal's reason
   */
  async idsUpTo(text: string, most: number, signal?: AbortSignal): Promise<readonly number[] | undefined> {
    requireWellFormed([text]);
    return this.#bounded.encode(text, most, signal);
  }

  /** The text of tokens, by default without special tokens. */
  decode(ids: readonly number[], options: DecodeOptions = {}): Promise<string> {
    return this.#decoder.decode(ids, options);
  }

  /** Whether `text`, decoded from these tokens, stays the same whatever tokens follow. */
  isSettled(ids: readonly number[], text: string, options: DecodeOptions = {}): boolean {
    return this.#decoder.isSettled(ids, text, options);
  }

  /** Where decoding must begin so that the text from token `at` on is as in the whole: `at`, or the start of its run of byte tokens. */
  runStart(ids: readonly number[], at: number): number {
    return this.#decoder.runStart(ids, at);
  }

  /** Encodes one row, as `encodeBatch`. */
  async encode(texts: Texts, options: TokenizeOptions = {}): Promise<Encoded> {
    return (await this.encodeBatch([texts], options))[0]!;
  }

  /**
   * Encodes many rows at once, on all cores. Of a text that is truncated, only as much as needed is tokenized.
   * @throws RefusedText for a text with a lone surrogate, or a long text that has no place to split it
   */
  async encodeBatch(rows: readonly Texts[], options: TokenizeOptions = {}): Promise<Encoded[]> {
    const { maxLength } = options;
    // The texts come first: the library's threads work on them meanwhile.
    const [starts, ...layouts] = await Promise.all([
      this.#encoder.encode(rows.flat(), this.#wanted(options)),
      this.layoutOf(1),
      this.layoutOf(2),
    ]);
    const encoded: Encoded[] = [];
    let next = 0;
    for (const row of rows) {
      const own = starts.slice(next, next + row.length);
      next += row.length;
      const layout = layouts[row.length - 1]!;
      const isClear = row.length === 1 || !isOrderOpen(own, layout, maxLength);
      const ids = isClear ? own.map((start) => start.ids) : await this.#inTrueOrder(row, own, maxLength!);
      encoded.push(assemble(layout, ids, { maxLength, side: this.#side }));
    }
    return encoded;
  }

  /** The tokens of a pair that is truncated to an odd total, for which the longer text must have more tokens. */
  async #inTrueOrder(row: readonly [string, string], starts: readonly Start[], maxLength: number) {
    const [first, second] = starts as readonly [Start, Start];
    const isFirstLonger = (await this.#encoder.compare(...row)) > 0;
    return [first.ids.slice(0, maxLength + 1), second.ids.slice(0, isFirstLonger ? maxLength : maxLength + 1)];
  }

  /**
   * Encodes pairs in windows: every row of a pair has the whole first text, and a part of the second. Consecutive rows share `overlap`
   * tokens of the second text, if there is room.
   * @returns the rows of each pair; none if the first text leaves no room for the second
   */
  async encodeWindows(
    pairs: readonly (readonly [string, string])[],
    { maxLength, overlap }: { readonly maxLength: number; readonly overlap: number },
  ): Promise<Window[][]> {
    const layout = await this.layoutOf(2);
    const tokens = await tokensOf(this.#native, pairs.flat());
    return pairs.map((_, i) => {
      const [first, second] = tokens.slice(2 * i, 2 * i + 2) as [TextTokens, TextTokens];
      const room = maxLength - layout.specials - first.ids.length;
      return room < 1
        ? []
        : windowsOf(layout, first, second, { room, overlap: Math.min(overlap, Math.floor(room / 2)) });
    });
  }

  /** Encodes one row, as `encodeWordsBatch`. */
  async encodeWords(words: readonly string[], options: TokenizeOptions = {}): Promise<EncodedWords> {
    return (await this.encodeWordsBatch([words], options))[0]!;
  }

  /**
   * Encodes texts that are split into words, as transformers does with `is_split_into_words`. A byte-level tokenizer puts a space
   * before every word.
   */
  async encodeWordsBatch(rows: readonly (readonly string[])[], options: TokenizeOptions = {}): Promise<EncodedWords[]> {
    const layout = await this.layoutOf(1);
    const truncation = { maxLength: options.maxLength, side: this.#side };
    return (await this.#wordIds(rows, options)).map((words) => rowOfWords(layout, words, truncation));
  }

  /**
   * As `encodeWordsBatch`, but a text longer than `maxLength` becomes several rows of whole words, in order. `wordStarts` are those of
   * the row's words.
   */
  async encodeWordRows(
    texts: readonly (readonly string[])[],
    options: TokenizeOptions = {},
  ): Promise<EncodedWords[][]> {
    const layout = await this.layoutOf(1);
    return (await this.#wordIds(texts, options)).map((words) => rowsOfWords(layout, words, options.maxLength));
  }

  /** The tokens of each word. Each distinct word is encoded once, as its tokens depend on nothing else. */
  async #wordIds(texts: readonly (readonly string[])[], options: TokenizeOptions): Promise<(readonly number[])[][]> {
    const words = [...new Set(texts.flat())];
    this.#wordEncoder ??= prefixingEncoder(this.#spec) ?? this.#encoder;
    const starts = await this.#wordEncoder.encode(words, this.#wanted(options));
    const idsOf = new Map(words.map((word, i) => [word, starts[i]!.ids]));
    return texts.map((text) => text.map((word) => idsOf.get(word)!));
  }

  /** A text that is truncated on the left must be tokenized whole. */
  #wanted({ maxLength, firstCharacters }: TokenizeOptions) {
    return { tokens: this.#side === "right" ? maxLength : undefined, characters: firstCharacters };
  }

  /** The special tokens around one text, or around the texts of a pair. @internal */
  layoutOf(texts: 1 | 2): Promise<Layout> {
    const layout = this.#layouts.get(texts) ?? probeLayout(this.#native, texts);
    this.#layouts.set(texts, layout);
    return layout;
  }
}

/** Whether it must be found out which text of a pair is longer: both are truncated, and to an odd total. */
const isOrderOpen = (starts: readonly Start[], layout: Layout, maxLength: number | undefined): boolean =>
  maxLength !== undefined &&
  (maxLength - layout.specials) % 2 !== 0 &&
  starts.some(({ isTruncated }) => isTruncated) &&
  starts.every(({ ids }) => ids.length > maxLength);

/** The padding token of the files, else one of the usual names. */
function padTokenId(native: NativeTokenizer, settings: TokenizerSettings): number | undefined {
  const named = settings.specialTokens.get("pad_token")?.content;
  const candidates = named === undefined ? ["[PAD]", "<pad>"] : [named];
  return candidates.map((token) => native.tokenToId(token)).find((id) => id !== null);
}

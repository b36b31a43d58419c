import { BidoraError } from "../common/errors.js";
import { isJsonObject, type JsonObject } from "../files/json.js";
import type { TokenizerFile } from "../files/names.js";
import { boundariesOf } from "./boundaries.js";
import { type ChatTemplate, chatTemplateOf, chatTemplateText } from "./chatTemplate.js";
import { type DecodeOptions, Decoder } from "./decoder.js";
import { modelInputNames, TOKEN_TYPES } from "./inputNames.js";
import { assemble, type Encoded, type Layout, probeLayout, roomForText, type Side } from "./layout.js";
import { createNative, type NativeTokenizer } from "./native.js";
import { type SpecialToken, specialToken, type TokenizerSettings } from "./tokenizerSettings.js";
import { type Start, StartEncoder } from "./start.js";
import { type TextTokens, tokensOf, type Window, windowsOf } from "./windows.js";
import { stretchesOf } from "./wordRows.js";

/** One text, or a pair. */
export type Texts = readonly [string] | readonly [string, string];

/** How a row is cut. */
export interface EncodeOptions {
  /** The most tokens of a row, special ones included; longer texts are cut on the tokenizer's side, the longest first. */
  readonly maxLength?: number | undefined;
  /** Of a text that will be cut, look at so many characters first; follows from `maxLength` if not given. */
  readonly firstCharacters?: number | undefined;
}

/** A row of words as token ids. */
export interface EncodedWords extends Encoded {
  /** For each word, where its first sub-word stands in `inputIds`; -1 if the word was cut off or has no token. */
  readonly wordStarts: readonly number[];
}

/** A Hugging Face tokenizer. Encoding neither pads nor truncates unless asked to. */
export class Tokenizer {
  readonly #native: NativeTokenizer;
  readonly #encoder: StartEncoder;
  readonly #decoder: Decoder;
  readonly #files: readonly TokenizerFile[];
  readonly #spec: JsonObject;
  readonly #layouts = new Map<number, Promise<Layout>>();
  #wordEncoder: StartEncoder | undefined;
  /** Where texts are cut. */
  readonly #side: Side;
  readonly #settings: TokenizerSettings;
  #chatTemplate: ChatTemplate | undefined;

  /** The id of the padding token, if the tokenizer has one. */
  readonly padTokenId: number | undefined;
  /** The id of the token that ends a text, if the tokenizer has one. */
  readonly eosTokenId: number | undefined;
  /** The most tokens that the model was made for; undefined where the folder names no limit. */
  readonly modelMaxLength: number | undefined;
  /** The inputs that the model takes: `input_ids`, `attention_mask`, perhaps `token_type_ids`. */
  readonly modelInputNames: readonly string[];
  /** Whether the model is told which of two texts a token belongs to. */
  readonly givesTypes: boolean;

  /** @param text the same as `spec`, by `nativeText` */
  constructor(spec: JsonObject, text: string, settings: TokenizerSettings, files: readonly TokenizerFile[]) {
    this.#spec = spec;
    this.#native = createNative(text);
    this.#encoder = new StartEncoder(this.#native, boundariesOf(spec));
    this.#decoder = new Decoder(this.#native, spec, settings.config);
    this.#files = files;
    this.#settings = settings;
    this.padTokenId = padTokenId(this.#native, settings);
    this.eosTokenId = this.specialTokenId("eos_token");
    this.modelMaxLength = modelMaxLength(settings.config.model_max_length);
    this.modelInputNames = modelInputNames(settings, isJsonObject(spec.model) ? spec.model.type : undefined);
    this.givesTypes = this.modelInputNames.includes(TOKEN_TYPES);
    this.#side = truncationSide(settings);
  }

  /** How many tokens it has, added ones included. */
  get size(): number {
    return this.#native.getVocabSize(true);
  }

  /** The names of the tokenizer's files in its folder. */
  files(): readonly string[] {
    return this.#files;
  }

  /** How the model wants conversations written. @throws BidoraError where the tokenizer has no usable template */
  chatTemplate(): ChatTemplate {
    this.#chatTemplate ??= chatTemplateOf(this.#settings);
    return this.#chatTemplate;
  }

  /** What it is made of: a `tokenizer.json`. */
  get json(): Readonly<Record<string, unknown>> {
    return this.#spec;
  }

  /** How the model wants conversations written, as the folder says it; undefined where it says nothing. */
  get chatTemplateText(): string | undefined {
    return chatTemplateText(this.#settings);
  }

  /** The id of the token that has a role, if there is one. */
  specialTokenId(role: SpecialToken): number | undefined {
    const token = specialToken(this.#settings, role);
    return (token === undefined ? undefined : this.#native.tokenToId(token)) ?? undefined;
  }

  /** A token as the vocabulary has it. */
  tokenText(id: number): string | undefined {
    return this.#native.idToToken(id) ?? undefined;
  }

  /** What the tokenizer puts after a text. */
  async backIds(): Promise<readonly number[]> {
    return (await this.#layout(1)).pieces[1]!.ids;
  }

  /** What the tokenizer puts before a text: its token for the beginning, or nothing. */
  async frontIds(): Promise<readonly number[]> {
    return (await this.#layout(1)).pieces[0]!.ids;
  }

  /** The tokens of whole texts with the characters that they cover; special ones are found in the texts but not added. */
  tokensOf(texts: readonly string[]): Promise<TextTokens[]> {
    return tokensOf(this.#native, texts);
  }

  /** The text of tokens, special ones left out unless they are wanted. */
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

  /** One row, as `encodeBatch`. */
  async encode(texts: Texts, options: EncodeOptions = {}): Promise<Encoded> {
    return (await this.encodeBatch([texts], options))[0]!;
  }

  /**
   * Encodes many rows at once, on all cores. Of a text that is cut, no more is looked at than the cut needs.
   * @throws RefusedText for a text with half of a character, or in which no boundary for that is known
   */
  async encodeBatch(rows: readonly Texts[], options: EncodeOptions = {}): Promise<Encoded[]> {
    const layouts = { 1: await this.#layout(1), 2: await this.#layout(2) };
    const starts = await this.#encoder.encode(rows.flat(), this.#wanted(options));
    const encoded: Encoded[] = [];
    let next = 0;
    for (const row of rows) {
      const own = starts.slice(next, next + row.length);
      next += row.length;
      const layout = layouts[row.length];
      const ids = await this.#inTrueOrder(row, own, layout, options.maxLength);
      encoded.push(assemble(layout, ids, { maxLength: options.maxLength, side: this.#side }));
    }
    return encoded;
  }

  /** The tokens of a row's texts. Where both are cut and can't be halved alike, the longer text must have more of them. */
  async #inTrueOrder(row: Texts, starts: readonly Start[], layout: Layout, maxLength: number | undefined) {
    const ids = starts.map((start) => start.ids);
    const isClear =
      maxLength === undefined || starts.every(({ isCut }) => !isCut) || (maxLength - layout.specials) % 2 === 0;
    const [first, second] = ids;
    if (isClear || row.length === 1 || !ids.every(({ length }) => length > maxLength)) return ids;
    const isFirstLonger = (await this.#encoder.compare(...row)) > 0;
    return [first!.slice(0, maxLength + 1), second!.slice(0, isFirstLonger ? maxLength : maxLength + 1)];
  }

  /**
   * Encodes pairs whose first text stays whole, while the second goes on from row to row where it is long.
   * Two rows of a pair have `overlap` tokens of the second text in common, where there is room.
   * @returns for each pair its rows; none where the first text leaves no room for the second
   */
  async encodeWindows(
    pairs: readonly (readonly [string, string])[],
    { maxLength, overlap }: { readonly maxLength: number; readonly overlap: number },
  ): Promise<Window[][]> {
    const layout = await this.#layout(2);
    const tokens = await tokensOf(this.#native, pairs.flat());
    return pairs.map((_, i) => {
      const [first, second] = tokens.slice(2 * i, 2 * i + 2) as [TextTokens, TextTokens];
      const room = maxLength - layout.specials - first.ids.length;
      return room < 1
        ? []
        : windowsOf(layout, first, second, { room, overlap: Math.min(overlap, Math.floor(room / 2)) });
    });
  }

  /** One row, as `encodeWordsBatch`. */
  async encodeWords(words: readonly string[], options: EncodeOptions = {}): Promise<EncodedWords> {
    return (await this.encodeWordsBatch([words], options))[0]!;
  }

  /**
   * Encodes texts that are already split into words: each word on its own, as transformers' `is_split_into_words` does.
   * A byte-level tokenizer puts a space before each word, the first one too.
   */
  async encodeWordsBatch(rows: readonly (readonly string[])[], options: EncodeOptions = {}): Promise<EncodedWords[]> {
    const layout = await this.#layout(1);
    const idsOf = await this.#encodeVocabulary(new Set(rows.flat()), options);
    const first = layout.pieces[0]!.ids.length;
    return rows.map((words) => {
      const wordIds = words.map((word) => idsOf.get(word)!);
      const tokens = wordIds.flat();
      const encoded = assemble(layout, [tokens], { maxLength: options.maxLength, side: this.#side });
      const kept = encoded.inputIds.length - layout.specials;
      const cut = this.#side === "left" ? tokens.length - kept : 0;
      return { ...encoded, wordStarts: wordStarts(wordIds, { first, cut, kept }) };
    });
  }

  /**
   * The same, with a text that is longer than `maxLength` in several rows, each with whole words of its own: `wordStarts` are
   * those of a row's own words, and one row's words follow those of the row before.
   */
  async encodeWordRows(texts: readonly (readonly string[])[], options: EncodeOptions = {}): Promise<EncodedWords[][]> {
    const layout = await this.#layout(1);
    const idsOf = await this.#encodeVocabulary(new Set(texts.flat()), options);
    const room = options.maxLength === undefined ? Number.POSITIVE_INFINITY : roomForText(layout, options.maxLength);
    const first = layout.pieces[0]!.ids.length;
    return texts.map((words) =>
      stretchesOf(
        words.map((word) => idsOf.get(word)!),
        room,
      ).map((own) => {
        const encoded = assemble(layout, [own.flat()], { maxLength: undefined, side: this.#side });
        return { ...encoded, wordStarts: wordStarts(own, { first, cut: 0, kept: room }) };
      }),
    );
  }

  /** A word's tokens depend on the word alone, so each different one is encoded once. */
  async #encodeVocabulary(
    words: ReadonlySet<string>,
    options: EncodeOptions,
  ): Promise<ReadonlyMap<string, readonly number[]>> {
    this.#wordEncoder ??= prefixesSpace(this.#spec) === false ? prefixingEncoder(this.#spec) : this.#encoder;
    const starts = await this.#wordEncoder.encode([...words], this.#wanted(options));
    return new Map([...words].map((word, i) => [word, starts[i]!.ids]));
  }

  /** Of a text that is cut on its left, all must be looked at. */
  #wanted({ maxLength, firstCharacters }: EncodeOptions) {
    return { tokens: this.#side === "right" ? maxLength : undefined, characters: firstCharacters };
  }

  #layout(texts: 1 | 2): Promise<Layout> {
    const layout = this.#layouts.get(texts) ?? probeLayout(this.#native, texts);
    this.#layouts.set(texts, layout);
    return layout;
  }
}

/** A tokenizer.json for the native library. Sections for padding and truncation would act on every encoding, unasked. */
export function nativeText(spec: JsonObject): string {
  return JSON.stringify({ ...spec, truncation: null, padding: null });
}

/** Whether a byte-level tokenizer puts a space before a text; undefined for any other one. */
function prefixesSpace({ pre_tokenizer }: JsonObject): boolean | undefined {
  if (!isJsonObject(pre_tokenizer) || pre_tokenizer.type !== "ByteLevel") return undefined;
  return pre_tokenizer.add_prefix_space === true;
}

function prefixingEncoder(spec: JsonObject): StartEncoder {
  const prefixing = { ...spec, pre_tokenizer: { ...(spec.pre_tokenizer as JsonObject), add_prefix_space: true } };
  return new StartEncoder(createNative(nativeText(prefixing)), boundariesOf(prefixing));
}

/** @param row where the first text's tokens begin, how many were cut off before them, and how many were kept */
function wordStarts(
  wordIds: readonly (readonly number[])[],
  { first, cut, kept }: { readonly first: number; readonly cut: number; readonly kept: number },
): number[] {
  let seen = -cut;
  return wordIds.map((ids) => {
    const start = ids.length > 0 && seen >= 0 && seen < kept ? first + seen : -1;
    seen += ids.length;
    return start;
  });
}

/** The roles' usual names stand in where the files don't say which token pads. */
function padTokenId(native: NativeTokenizer, settings: TokenizerSettings): number | undefined {
  const named = settings.specialTokens.get("pad_token")?.content;
  const candidates = named === undefined ? ["[PAD]", "<pad>"] : [named];
  return candidates.map((token) => native.tokenToId(token)).find((id) => id !== null);
}

/** transformers writes 1e30 for "no limit". */
function modelMaxLength(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && value >= 1) return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
  throw new BidoraError(
    "TOKENIZER",
    `tokenizer_config.json: model_max_length must be a number of at least 1, but is ${JSON.stringify(value)}.`,
  );
}

function truncationSide({ config }: TokenizerSettings): Side {
  const side = config.truncation_side ?? "right";
  if (side === "right" || side === "left") return side;
  throw new BidoraError(
    "TOKENIZER",
    `tokenizer_config.json: truncation_side must be right or left, but is ${JSON.stringify(side)}.`,
  );
}

// Generates text, streamed in pieces or as complete texts.

import { aWhole, BidoraError, having, options as optionsOf } from "../../base/index.js";
import { TextStream, TokenBytes, type Tokenizer, textEnd } from "../../text/index.js";
import type { TaskModel } from "../index.js";
import {
  checkGeneration,
  GENERATE_OPTIONS,
  type GenerateOptions,
  generateTokens,
  type NextTokens,
} from "./generateTokens.js";
import type { GenerationSettings } from "./generationSettings.js";
import type { Finish, Prompt } from "./search.js";

/** The next piece of a generated text. */
export interface GeneratedPiece extends NextTokens {
  /** The text that these tokens complete. */
  readonly text: string;
}

/** The generated text after a prompt. */
export interface Generated {
  /** Without special tokens and without the stop string. */
  readonly text: string;
  /** The new tokens. */
  readonly tokens: readonly number[];
  readonly finish: Finish;
}

/** A model and its tokenizer. */
export interface TextModel {
  readonly model: TaskModel;
  readonly tokenizer: Tokenizer;
}

/** Options of text generation besides the settings: an abort signal, and whether keys and values are cached. */
export type TextOptions = Omit<GenerateOptions, "isStopped">;

const aTextModel = having("an open model, as openModel gives it", "model", "tokenizer");
const { isStopped: _, ...OWN_OPTIONS } = GENERATE_OPTIONS;
const TEXTS = optionsOf(OWN_OPTIONS);
const ROWS = optionsOf({ ...OWN_OPTIONS, batchSize: aWhole });

/** Generates text after prompts in one batch, with the same results as one at a time, and streams it. With beams each text is a single piece. */
export async function* generateTexts(
  textModel: TextModel,
  prompts: readonly Prompt[],
  settings: GenerationSettings,
  options: TextOptions = {},
): AsyncGenerator<GeneratedPiece> {
  checkGeneration("generateTexts", [textModel, aTextModel], prompts, settings, [options, TEXTS]);
  const stops = new StopStrings(textModel.tokenizer, settings.stop);
  const writers = prompts.map(() => new TextWriter(textModel.tokenizer, stops));
  for await (const next of tokensUntil(stops, textModel, prompts, settings, options))
    yield { ...next, text: await writers[next.prompt]!.write(next) };
}

/** The generated tokens of prompts, each up to a stop string. */
function tokensUntil(
  stops: StopStrings,
  { model }: TextModel,
  prompts: readonly Prompt[],
  settings: GenerationSettings,
  options: TextOptions,
): AsyncGenerator<NextTokens> {
  const isStopped = (_: number, tokens: readonly number[]) => stops.isCompleted(tokens);
  return generateTokens(model, prompts, settings, { ...options, ...(!stops.isEmpty && { isStopped }) });
}

/** Streams the text of one generation; holds back text that may be the start of a stop string. */
export class TextWriter {
  readonly #stream: TextStream;
  readonly #isWritten: (token: number) => boolean;
  #held = "";

  /**
   * @param shown special tokens that the text has; none if not given
   * @param before tokens that the text continues
   */
  constructor(
    tokenizer: Tokenizer,
    private readonly stops: StopStrings,
    shown?: ReadonlySet<number>,
    before: readonly number[] = [],
  ) {
    const bytes = shown && new TokenBytes(tokenizer);
    this.#isWritten = (token) => !bytes || shown.has(token) || !bytes.isSpecial(token);
    this.#stream = new TextStream(tokenizer, { skipSpecialTokens: !shown }, before);
  }

  /** @returns the text that has become certain */
  async write({ tokens, finish }: Pick<NextTokens, "tokens" | "finish">): Promise<string> {
    this.#held += await this.#stream.put(...tokens.filter(this.#isWritten));
    if (finish !== undefined) this.#held += await this.#stream.end();
    const certain = finish === undefined ? this.stops.certainLength(this.#held) : this.#held.length;
    const end = this.stops.find(this.#held) ?? certain;
    const piece = this.#held.slice(0, end);
    this.#held = this.#held.slice(end);
    return piece;
  }
}

/** Generates text after prompts in one batch. */
export async function generateBatch(
  textModel: TextModel,
  prompts: readonly Prompt[],
  settings: GenerationSettings,
  options: TextOptions = {},
): Promise<Generated[]> {
  const { tokenizer } = textModel;
  const stops = new StopStrings(tokenizer, settings.stop);
  const rows = prompts.map(() => ({ tokens: [] as number[], finish: "length" as Finish }));
  for await (const { prompt, tokens, finish } of tokensUntil(stops, textModel, prompts, settings, options)) {
    const row = rows[prompt] as (typeof rows)[number];
    row.tokens.push(...tokens);
    row.finish = finish ?? row.finish;
  }
  return Promise.all(
    rows.map(async ({ tokens, finish }) => {
      const text = await tokenizer.decode(tokens);
      return { text: text.slice(0, stops.find(text)), tokens, finish };
    }),
  );
}

/**
 * Generates text after prompts, in the order of the prompts.
 * @param given.batchSize the number of prompts per batch
 */
export async function* generateRows(
  textModel: TextModel,
  prompts: readonly Prompt[],
  settings: GenerationSettings,
  given: TextOptions & { readonly batchSize: number },
): AsyncGenerator<Generated> {
  checkGeneration("generateRows", [textModel, aTextModel], prompts, settings, [given, ROWS]);
  const { batchSize, ...options } = given;
  for (let start = 0; start < prompts.length; start += batchSize)
    yield* await generateBatch(textModel, prompts.slice(start, start + batchSize), settings, options);
}

/** The bytes of a character that further tokens may complete. */
const UNFINISHED = /\ufffd{1,3}$/;

/** The strings at which generation stops. */
export class StopStrings {
  readonly #longest: number;

  constructor(
    private readonly tokenizer: Pick<Tokenizer, "decode" | "runStart">,
    private readonly strings: readonly string[],
  ) {
    this.#longest = Math.max(0, ...strings.map(({ length }) => length));
  }

  get isEmpty(): boolean {
    return this.strings.length === 0;
  }

  /** The index of the first stop string in `text`; undefined if there is none. */
  find(text: string): number | undefined {
    const found = this.strings.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    return found.length > 0 ? Math.min(...found) : undefined;
  }

  /**
   * Whether the newest token completes a stop string. Decodes only the end of the text.
   * @param before tokens that the text continues
   */
  async isCompleted(tokens: readonly number[], before: readonly number[] = []): Promise<boolean> {
    const text = await textEnd(this.tokenizer, tokens, this.#longest, before);
    return this.find(text.replace(UNFINISHED, "")) !== undefined;
  }

  /** The length of `text` without a partial stop string at its end. */
  certainLength(text: string): number {
    return text.length - Math.max(0, ...this.strings.map((stop) => overlap(text, stop)));
  }
}

/** The length of the longest suffix of `text` that is a proper prefix of `stop`, in linear time (Knuth, Morris, Pratt 1977). */
function overlap(text: string, stop: string): number {
  const borders = bordersOf(stop);
  let length = 0;
  for (let at = Math.max(0, text.length - stop.length + 1); at < text.length; at++)
    length = extended(stop, borders, length, text[at]);
  return length;
}

/** For each length of a text's start, that of the longest shorter start which it ends with. */
function bordersOf(text: string): readonly number[] {
  const borders = [0, 0];
  for (let at = 1; at < text.length; at++) borders.push(extended(text, borders, borders[at]!, text[at]));
  return borders;
}

/** How much of `text`'s start ends here, after `length` of it and one more character. */
function extended(text: string, borders: readonly number[], length: number, next: string | undefined): number {
  let own = length;
  while (own > 0 && text[own] !== next) own = borders[own]!;
  return text[own] === next ? own + 1 : 0;
}

/**
 * Splits stop strings into special tokens, which decoded text does not contain, and other strings.
 * @param shown special tokens that texts have nevertheless; asked for only if a string has special tokens and more
 * @returns the other strings, and the ids of the special tokens
 * @throws BidoraError `STOP` for a string that no text can have
 */
export async function splitStops(
  tokenizer: Tokenizer,
  strings: readonly string[],
  shown: () => ReadonlySet<number> = () => new Set(),
): Promise<{ readonly stop: readonly string[]; readonly stopTokens: readonly number[] }> {
  const bytes = new TokenBytes(tokenizer);
  const encoded = await tokenizer.tokensOf(strings);
  const ids = encoded.map(({ ids: [id, ...more] }) =>
    more.length === 0 && id !== undefined && bytes.isSpecial(id) ? id : undefined,
  );
  for (const [i, stop] of strings.entries()) {
    if (ids[i] !== undefined) continue;
    const special = encoded[i]!.ids.filter((id) => bytes.isSpecial(id) && stop.includes(tokenizer.tokenText(id)!));
    const never = special.find((id) => !shown().has(id));
    if (never !== undefined) throw neverFound(stop, tokenizer.tokenText(never)!);
  }
  return { stop: strings.filter((_, i) => ids[i] === undefined), stopTokens: ids.filter((id) => id !== undefined) };
}

const neverFound = (stop: string, special: string): BidoraError =>
  new BidoraError(
    "STOP",
    `The stop string ${JSON.stringify(stop)} is never found, since texts are without the special token ${special}: give that token alone.`,
  );

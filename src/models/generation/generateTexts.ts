/** Generates text, streamed in pieces or as complete texts. */
import { aWhole, having, options as optionsOf } from "../../base/index.js";
import { TextStream, type Tokenizer } from "../../text/index.js";
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
import { StopStrings } from "./stopStrings.js";

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
    yield { ...next, text: await (writers[next.prompt] as TextWriter).write(next) };
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
  #held = "";

  constructor(
    tokenizer: Tokenizer,
    private readonly stops: StopStrings,
  ) {
    this.#stream = new TextStream(tokenizer);
  }

  /** @returns the text that has become certain */
  async write({ tokens, finish }: Pick<NextTokens, "tokens" | "finish">): Promise<string> {
    this.#held += await this.#stream.put(...tokens);
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

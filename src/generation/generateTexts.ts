import { aWhole, options as optionsOf } from "../common/arguments.js";
import type { TaskModel } from "../models/index.js";
import { TextStream, type Tokenizer } from "../text/index.js";
import { aTextModel, checkGeneration, GENERATE } from "./arguments.js";
import { beamSearch } from "./beamSearch.js";
import { type Finish, type GenerateOptions, generateTokens, type NextTokens, type Prompt } from "./generateTokens.js";
import type { GenerationSettings } from "./settings.js";
import { StopTexts } from "./stopTexts.js";

/** The next piece of a continuation. */
export interface GeneratedPiece extends NextTokens {
  /** What of the text is certain now and was not before. */
  readonly text: string;
}

/** A continuation. */
export interface Generated {
  /** Special tokens, and a text that ends it, left out. */
  readonly text: string;
  /** Those after the prompt. */
  readonly tokens: readonly number[];
  readonly finish: Finish;
}

/** A model and its tokenizer. */
export interface TextModel {
  readonly model: TaskModel;
  readonly tokenizer: Tokenizer;
}

const { isStopped: _, ...OWN } = GENERATE;
const TEXTS = optionsOf(OWN);
const ROWS = optionsOf({ ...OWN, batchSize: aWhole });

/** Goes on from prompts, each as if it were alone, piece by piece. Under beams each continuation is one piece. */
export async function* generateTexts(
  textModel: TextModel,
  prompts: readonly Prompt[],
  settings: GenerationSettings,
  options: Omit<GenerateOptions, "isStopped"> = {},
): AsyncGenerator<GeneratedPiece> {
  checkGeneration("generateTexts", [textModel, aTextModel], prompts, settings, [options, TEXTS]);
  const { model, tokenizer } = textModel;
  const stops = new StopTexts(settings.stop);
  const writers = prompts.map(() => new Writer(tokenizer, stops));
  const isStopped = (_: number, ids: readonly number[]) => stops.isBrought(tokenizer, ids);
  const generate = settings.beams ? beamSearch : generateTokens;
  for await (const next of generate(model, prompts, settings, { ...options, ...(!stops.areNone && { isStopped }) })) {
    yield { ...next, text: await (writers[next.prompt] as Writer).write(next) };
  }
}

/** One continuation's text, as it becomes certain: nothing that may turn out to be the beginning of a text that ends it. */
class Writer {
  readonly #stream: TextStream;
  #held = "";

  constructor(
    tokenizer: Tokenizer,
    private readonly stops: StopTexts,
  ) {
    this.#stream = new TextStream(tokenizer);
  }

  async write({ tokens, finish }: NextTokens): Promise<string> {
    this.#held += await this.#stream.put(...tokens);
    if (finish !== undefined) this.#held += await this.#stream.end();
    const certain = finish === undefined ? this.stops.mayBegin(this.#held) : this.#held.length;
    const end = this.stops.find(this.#held) ?? certain;
    const piece = this.#held.slice(0, end);
    this.#held = this.#held.slice(end);
    return piece;
  }
}

/**
 * The whole continuations of prompts, in their order.
 * @param given.batchSize how many are gone on with at once
 */
export async function* generateRows(
  textModel: TextModel,
  prompts: readonly Prompt[],
  settings: GenerationSettings,
  given: Omit<GenerateOptions, "isStopped"> & { readonly batchSize: number },
): AsyncGenerator<Generated> {
  checkGeneration("generateRows", [textModel, aTextModel], prompts, settings, [given, ROWS]);
  const { batchSize, ...options } = given;
  for (let start = 0; start < prompts.length; start += batchSize) {
    const batch = prompts.slice(start, start + batchSize);
    const rows = batch.map(() => ({ text: "", tokens: [] as number[], finish: "length" as Finish }));
    for await (const { prompt, text, tokens, finish } of generateTexts(textModel, batch, settings, options)) {
      const row = rows[prompt] as (typeof rows)[number];
      row.text += text;
      row.tokens.push(...tokens);
      row.finish = finish ?? row.finish;
    }
    yield* rows;
  }
}

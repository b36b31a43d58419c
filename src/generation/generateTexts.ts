import type { TaskModel } from "../models/index.js";
import type { Tokenizer } from "../text/index.js";
import { beamSearch } from "./beamSearch.js";
import { type Finish, type GenerateOptions, generateTokens, type NextTokens, type Prompt } from "./generateTokens.js";
import type { GenerationSettings } from "./settings.js";
import { TextStream } from "./textStream.js";

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
export interface Generator {
  readonly model: TaskModel;
  readonly tokenizer: Tokenizer;
}

/** Goes on from prompts, each as if it were alone, piece by piece. Under beams each continuation is one piece. */
export async function* generateTexts(
  { model, tokenizer }: Generator,
  prompts: readonly Prompt[],
  settings: GenerationSettings,
  options: Omit<GenerateOptions, "isStopped"> = {},
): AsyncGenerator<GeneratedPiece> {
  const tokens = prompts.map((): number[] => []);
  const decode = (ids: readonly number[]) => tokenizer.decode(ids);
  const { stop } = settings;
  const streams = prompts.map(() => new TextStream(decode, stop));
  const isStopped = async (_: number, ids: readonly number[]) => {
    const stream = new TextStream(decode, stop);
    await stream.read(ids);
    return stream.isStopped;
  };
  const generate = settings.beams ? beamSearch : generateTokens;
  for await (const next of generate(model, prompts, settings, { ...options, ...(stop.length > 0 && { isStopped }) })) {
    const [all, stream] = [tokens[next.prompt] as number[], streams[next.prompt] as TextStream];
    all.push(...next.tokens);
    await stream.read(all);
    yield { ...next, text: stream.take(next.finish !== undefined) };
  }
}

/**
 * The whole continuations of prompts, in their order.
 * @param batchSize how many are gone on with at once
 */
export async function* generateRows(
  generator: Generator,
  prompts: readonly Prompt[],
  settings: GenerationSettings,
  { batchSize, ...options }: Omit<GenerateOptions, "isStopped"> & { readonly batchSize: number },
): AsyncGenerator<Generated> {
  for (let start = 0; start < prompts.length; start += batchSize) {
    const batch = prompts.slice(start, start + batchSize);
    const rows = batch.map(() => ({ text: "", tokens: [] as number[], finish: "length" as Finish }));
    for await (const { prompt, text, tokens, finish } of generateTexts(generator, batch, settings, options)) {
      const row = rows[prompt] as (typeof rows)[number];
      row.text += text;
      row.tokens.push(...tokens);
      row.finish = finish ?? row.finish;
    }
    yield* rows;
  }
}

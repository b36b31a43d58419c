import { BidoraError, uniforms } from "../../base/index.js";
import type { JsonObject } from "../../base/records/index.js";
import {
  type GenerationConfig,
  type GenerationOverrides,
  generateRows,
  maxNewTokensAfter,
  type Prompt,
  readGenerationConfig,
  resolveGeneration,
  splitStops,
  type TextModel,
} from "../../models/generation/index.js";
import { type LanguageExample, type Location, promptsWithReferences, where } from "../../tasks/data/index.js";
import { checkIds, encodePrompts, textScorer } from "../../tasks/index.js";
import { ALONE } from "../../torch/index.js";
import type { Evaluation } from "./evaluateRows.js";
import { itemOf, type Sharing, sharedOut, shareOfItems } from "./sharing.js";

/** A model that generates text, and its files. */
interface WritingModel extends TextModel {
  readonly folder: string;
  readonly checkpointConfig: JsonObject;
}

interface TextEvaluationOptions {
  readonly batchSize: number;
  /** Generation settings; greedy without beams. */
  readonly overrides?:
    | Pick<GenerationOverrides, "beams" | "lengthPenalty" | "noRepeatNgram" | "maxNewTokens">
    | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The ranks among which the prompts are divided. */
  readonly shared?: Sharing | undefined;
}

/** A prompt's first row, its references, the generated text, and all rows of the prompt. */
type OnText = (
  example: LanguageExample,
  references: readonly string[],
  prediction: { text: string },
  rows: readonly Location[],
) => void;

/** Scores the texts that a model generates for prompts, each against all references of its prompt. */
export async function evaluateTexts(
  model: WritingModel,
  examples: readonly LanguageExample[],
  { batchSize, overrides = {}, signal, shared = { ranks: ALONE } }: TextEvaluationOptions,
  onText: OnText = () => {},
): Promise<Evaluation> {
  const own = readGenerationConfig(model.folder, model.checkpointConfig);
  const settings = resolveGeneration(overrides.beams === undefined ? { ...overrides, greedy: true } : overrides, own);
  const generation = { ...settings, ...(await splitStops(model.tokenizer, settings.stop)) };
  const groups = promptsWithReferences(examples);
  const prompts = await promptsOf(
    model,
    groups.map(({ example }) => example),
    own,
    overrides,
  );
  const { metric } = textScorer;
  const measured: unknown[] = [];
  const score = (text: string) => {
    const { example, references, rows } = groups[measured.length] as (typeof groups)[number];
    measured.push(metric.measure(references, { text }, measured.length + 1));
    onText(example, references, { text }, rows);
  };
  const texts = await sharedOut(shared, async () => {
    const own: string[] = [];
    const rows = generateRows(model, shareOfItems(prompts, shared), generation, { batchSize, signal });
    for await (const { text } of rows) own.push(text);
    return own;
  });
  for (const i of prompts.keys()) score(itemOf(texts, i));
  return { metrics: metric.result(measured), metric: metric as Evaluation["metric"], measured, units: "prompts" };
}

interface PromptOptions {
  /** By default the model's own. */
  readonly maxNewTokens?: number | undefined;
  /** The most tokens that a prompt may have. */
  readonly maxLength?: number | undefined;
  /** The seed of sampling. */
  readonly seed?: number;
}

/**
 * Encodes prompts for generation.
 * @throws BidoraError `EMPTY_TEXT`, `PROMPT_TOO_LONG`, `VOCABULARY` naming the row
 */
export async function promptsOf(
  { model, tokenizer }: TextModel,
  examples: readonly LanguageExample[],
  own: GenerationConfig,
  { maxNewTokens, maxLength = Number.POSITIVE_INFINITY, seed = 0 }: PromptOptions,
): Promise<Prompt[]> {
  const encoded = await encodePrompts(examples, tokenizer);
  return encoded.map((ids, i) => {
    const name = where(examples[i]!.at);
    if (ids.length === 0)
      throw new BidoraError("EMPTY_TEXT", `${name} has no tokens, so there is nothing to continue: give a text.`);
    if (ids.length > maxLength)
      throw new BidoraError(
        "PROMPT_TOO_LONG",
        `${name} has ${ids.length} tokens, and --max-length allows ${maxLength}: shorten it, or allow more.`,
      );
    checkIds({ inputIds: ids }, name, tokenizer, model.config);
    const room = maxNewTokensAfter(ids.length, { maxNewTokens }, own, model.config.maxTokens, name);
    return { ids, maxNewTokens: room, uniform: uniforms(seed, i) };
  });
}

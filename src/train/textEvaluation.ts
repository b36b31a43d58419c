import { type LanguageExample, meaningsOf } from "../data/index.js";
import type { JsonObject } from "../files/json.js";
import {
  type GenerationOverrides,
  generateRows,
  readGenerationConfig,
  resolveGeneration,
  splitStops,
  type TextModel,
} from "../generation/index.js";
import { textScorer } from "../tasks/index.js";
import type { Judgement } from "./evaluation.js";
import { promptsOf } from "./prompts.js";

/** A model that generates text, and its files. */
export interface WritingModel extends TextModel {
  readonly folder: string;
  readonly checkpointConfig: JsonObject;
}

export interface TextEvaluationOptions {
  readonly batchSize: number;
  /** Generation settings; greedy without beams. */
  readonly overrides?:
    | Pick<GenerationOverrides, "beams" | "lengthPenalty" | "noRepeatNgram" | "maxNewTokens">
    | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A prompt's row, its references, and the generated text. */
export type OnText = (example: LanguageExample, references: readonly string[], prediction: { text: string }) => void;

/** Scores the texts that a model generates for prompts, each against all references of its prompt. */
export async function evaluateTexts(
  model: WritingModel,
  examples: readonly LanguageExample[],
  { batchSize, overrides = {}, signal }: TextEvaluationOptions,
  onText: OnText = () => {},
): Promise<Judgement> {
  const own = readGenerationConfig(model.folder, model.checkpointConfig);
  const settings = resolveGeneration(overrides.beams === undefined ? { ...overrides, greedy: true } : overrides, own);
  const generation = { ...settings, ...(await splitStops(model.tokenizer, settings.stop)) };
  const meanings = meaningsOf(examples);
  const prompts = await promptsOf(
    model,
    meanings.map(({ example }) => example),
    own,
    overrides,
  );
  const { metric } = textScorer;
  const measured: unknown[] = [];
  for await (const { text } of generateRows(model, prompts, generation, { batchSize, signal })) {
    const { example, references } = meanings[measured.length] as (typeof meanings)[number];
    measured.push(metric.measure(references, { text }, measured.length + 1));
    onText(example, references, { text });
  }
  return { metrics: metric.result(measured), metric: metric as Judgement["metric"], measured, units: "prompts" };
}

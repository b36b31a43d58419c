/** Text generation with an open model. */
import { UsageError, uniforms } from "../../base/index.js";
import { flagOf, type Given, refuseWithoutEffect, type Settings } from "../../base/settings/index.js";
import { readConfig } from "../../formats/index.js";
import {
  type Draft,
  type Generated,
  type GenerationConfig,
  type GenerationSettings,
  type Grammar,
  generateBatch,
  generateTexts,
  type Prompt,
  readGenerationConfig,
  resolveGeneration,
  SAMPLING_KEYS,
  splitStops,
} from "../../models/generation/index.js";
import { blamingBadWeights, namingBadWeightsIn, weightsIn } from "../../models/index.js";
import type { CacheDtype } from "../../models/nn/index.js";
import { generationOptions } from "../../tasks/config/index.js";
import type { LanguageExample, TextOrMessages } from "../../tasks/data/index.js";
import { encodePrompts } from "../../tasks/index.js";
import { promptsOf } from "../evaluation/evaluateTexts.js";
import { type ReadCall, shownMarks } from "../toolCalls/callReading.js";
import { isRequired } from "../toolCalls/enforcing.js";
import type { InferenceModel } from "./open.js";
import { type AnswerPiece, ToolAnswers, type ToolSettings, withChoice } from "./toolAnswers.js";

/** A generated text with its prompt; for a conversation, the prompt rendered by the chat template. */
export interface GeneratedRow extends Generated {
  readonly prompt: string;
  /** The answer's calls of tools, if it has any; they are not part of the text. */
  readonly toolCalls?: readonly ReadCall[];
}

type GenerationTable = typeof generationOptions;

/** Generation settings, resolved from the user's settings and the model's `generation_config.json`, without loading weights. */
interface GenerationPlan {
  readonly own: GenerationConfig;
  readonly generation: GenerationSettings;
  readonly maxNewTokens: number | undefined;
  readonly seed: number;
  /** Opens the grammar of the texts, for one call. */
  readonly openGrammar?: ((signal?: AbortSignal) => Promise<Grammar>) | undefined;
  /** Of conversations with tools. */
  readonly calls?: ToolSettings | undefined;
  /** Whether texts keep their calls of tools. */
  readonly keepsCalls?: boolean;
  readonly draft?: Draft | undefined;
  readonly cacheDtype?: CacheDtype | undefined;
}

/**
 * Resolves generation settings.
 * @param folder of the model
 * @throws UsageError for settings without effect or that are mutually exclusive
 */
export function generationPlan(folder: string, settings: Settings<GenerationTable>): GenerationPlan {
  refuseExcluding(settings.given);
  const own = readGenerationConfig(folder, readConfig(folder));
  const generation = resolveGeneration(settings.given, own);
  refuseWithoutEffect(generationOptions, settings, { generation });
  const { maxNewTokens, seed, cacheDtype } = settings;
  return { own, generation, maxNewTokens, seed, cacheDtype };
}

/** Greedy decoding, of texts as they are scored: calls of tools are part of them. */
export function greedyPlan({ folder, checkpointConfig }: InferenceModel, maxNewTokens?: number): GenerationPlan {
  const own = readGenerationConfig(folder, checkpointConfig);
  return { own, generation: resolveGeneration({ greedy: true }, own), maxNewTokens, seed: 0, keepsCalls: true };
}

interface PromptLimits {
  readonly batchSize: number;
  readonly maxLength?: number | undefined;
}

interface Signal {
  readonly signal?: AbortSignal | undefined;
}

/** Generates text after prompts: texts, or conversations, which are rendered by the model's chat template. */
export class TextGenerator {
  private constructor(
    private readonly open: InferenceModel,
    private readonly plan: GenerationPlan,
    private readonly limits: PromptLimits,
  ) {}

  /** @throws BidoraError `STOP` for a stop string that no text can have */
  static async of(open: InferenceModel, plan: GenerationPlan, limits: PromptLimits): Promise<TextGenerator> {
    const shown = () => (plan.keepsCalls ? new Set<number>() : shownMarks(open.tokenizer));
    const stops = await splitStops(open.tokenizer, plan.generation.stop, shown);
    return new TextGenerator(open, { ...plan, generation: { ...plan.generation, ...stops } }, limits);
  }

  /**
   * The number of tokens of a prompt.
   * @param name of the prompt in errors
   * @throws BidoraError for a conversation that the chat template cannot render
   */
  async lengthOf(prompt: TextOrMessages, name = promptName(0)): Promise<number> {
    const [ids] = await encodePrompts([exampleOf(prompt, name)], this.open.tokenizer);
    return ids!.length;
  }

  /** Streams the text after a prompt in pieces. @throws PromptTooLong if the prompt leaves no room */
  async *stream(prompt: TextOrMessages, options: StreamOptions = {}): AsyncGenerator<AnswerPiece> {
    const { signal, stream = 0, name = promptName(0) } = options;
    const { draft, cacheDtype, calls, generation } = this.plan;
    const example = withChoice(exampleOf(prompt, name), calls);
    const answers = this.answersTo(example);
    const [encoded] = (await this.encode([example])) as [Prompt];
    const grammar = (await answers?.grammar(generation, signal)) ?? (await this.plan.openGrammar?.(signal));
    const own = { ...encoded, uniform: uniforms(this.plan.seed, stream), constraint: grammar?.constraint() };
    try {
      const pieces = generateTexts(this.open, [own], generation, { signal, draft, cacheDtype });
      yield* answers ? answers.read(pieces, generation) : pieces;
    } catch (error) {
      throw blamingBadWeights(error, () => weightsIn(this.open));
    } finally {
      grammar?.release();
    }
  }

  /** Generates text after prompts, in order, with the same results as one at a time. */
  rows(prompts: readonly TextOrMessages[], hooks: Signal = {}): AsyncGenerator<GeneratedRow> {
    const examples = prompts.map((prompt, i) => exampleOf(prompt, promptName(i)));
    return this.examples(examples, hooks);
  }

  /**
   * Generates text after the prompts of a file's rows.
   * @throws BidoraError `EMPTY_TEXT`, `PROMPT_TOO_LONG`, `VOCABULARY` naming the row, before anything is computed
   */
  examples(examples: readonly LanguageExample[], hooks: Signal = {}): AsyncGenerator<GeneratedRow> {
    return namingBadWeightsIn(this.open, this.generate(examples, hooks));
  }

  private async *generate(given: readonly LanguageExample[], { signal }: Signal): AsyncGenerator<GeneratedRow> {
    const { calls } = this.plan;
    const examples = given.map((example) => withChoice(example, calls));
    const answers = examples.map((example) => this.answersTo(example));
    const prompts = await this.encode(examples);
    const grammar = await this.plan.openGrammar?.(signal);
    // Grammars of calls are opened for a row at a time: there are not many at once.
    const batchSize = calls?.choice !== undefined && isRequired(calls.choice) ? 1 : this.limits.batchSize;
    try {
      for (let start = 0; start < prompts.length; start += batchSize) {
        const rows = await this.batch(prompts.slice(start, start + batchSize), grammar, answers[start], signal);
        for (const [i, row] of rows.entries())
          yield {
            prompt: await this.textOf(examples[start + i]!, prompts[start + i]!.ids),
            ...row,
            ...(await answers[start + i]?.whole(row.tokens, row.finish, this.plan.generation)),
          };
      }
    } finally {
      grammar?.release();
    }
  }

  private answersTo(example: LanguageExample): ToolAnswers | undefined {
    return this.plan.keepsCalls ? undefined : ToolAnswers.of(this.open, example, this.plan.calls);
  }

  /** @param first how the first prompt's answer is limited, if there is one */
  private async batch(
    prompts: readonly Prompt[],
    grammar: Grammar | undefined,
    first: ToolAnswers | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Generated[]> {
    const { generation, draft, cacheDtype } = this.plan;
    const own = await first?.grammar(generation, signal);
    try {
      const limited = prompts.map((prompt) => ({ ...prompt, constraint: (own ?? grammar)?.constraint() }));
      return await generateBatch(this.open, limited, generation, { signal, draft, cacheDtype });
    } finally {
      own?.release();
    }
  }

  private async textOf({ input }: LanguageExample, ids: readonly number[]): Promise<string> {
    const text = input.kind === "text" ? input.text : input.kind === "prompt" ? input.prompt : undefined;
    return typeof text === "string" ? text : this.open.tokenizer.decode(ids, { skipSpecialTokens: false });
  }

  private encode(examples: readonly LanguageExample[]): Promise<Prompt[]> {
    const { own, maxNewTokens, seed } = this.plan;
    return promptsOf(this.open, examples, own, { maxNewTokens, maxLength: this.limits.maxLength, seed });
  }
}

interface StreamOptions extends Signal {
  /** The number of the seed's random stream to sample with. */
  readonly stream?: number;
  /** The name of the prompt in errors. */
  readonly name?: string;
}

const promptName = (index: number): string => `Prompt ${index + 1}`;

const exampleOf = (prompt: TextOrMessages, name: string): LanguageExample => ({
  input: { kind: "prompt", prompt, completion: undefined },
  label: undefined,
  at: { file: name, line: 0 },
});

/** @throws UsageError for --greedy together with sampling or beam search */
function refuseExcluding(given: Given<GenerationTable>): void {
  const beams = (given.beams ?? 1) > 1 ? "beams" : undefined;
  const other = given.greedy ? (SAMPLING_KEYS.find((key) => key in given) ?? beams) : undefined;
  if (other !== undefined)
    throw new UsageError(
      `--greedy takes the most likely token each time, and ${flagOf(other)} does not: leave one out.`,
    );
}

/** Text generation with a model that stays open. */
import { merge } from "../adapters/index.js";
import {
  aNumber,
  signal as aSignal,
  aText,
  type Check,
  checkArguments,
  having,
  listOf,
  optional,
  options as optionsOf,
} from "../common/arguments.js";
import { UsageError } from "../common/errors.js";
import { uniforms } from "../common/seededGenerator.js";
import { type GeneratorSettings, generatorOptions, promptOptions } from "../config/index.js";
import { type LanguageExample, promptList, type TextOrMessages, textOrMessages } from "../data/index.js";
import {
  type Generated,
  type GeneratedPiece,
  type GenerationConfig,
  type GenerationSettings,
  generateBatch,
  generateTexts,
  type Prompt,
  readGenerationConfig,
  resolveGeneration,
  SAMPLING_KEYS,
  splitStops,
} from "../generation/index.js";
import { readConfig } from "../io/checkpoint.js";
import type { HubOptions } from "../io/hub/options.js";
import { hubOptions } from "../io/hub/options.js";
import { packLinears } from "../nn/index.js";
import { allApplyWhen, flagOf } from "../settings/option.js";
import { refuseWithoutEffect, resolveSettings, type Settings } from "../settings/settings.js";
import { encodePrompts } from "../tasks/encodeLanguage.js";
import { namedTask } from "../tasks/index.js";
import { loadTokenizer } from "../text/index.js";
import { computeDtype, setThreads } from "../torch/index.js";
import { namingBadWeights, weightsOf } from "../train/badWeights.js";
import { promptsOf } from "../train/textEvaluation.js";
import { findModel, type OpenModel, openWithAdapter } from "./openModel.js";

/** A continuation with its prompt: of a conversation, the text that the chat template renders. */
export interface GeneratedRow extends Generated {
  readonly prompt: string;
}

/** Hooks of a call. */
export interface GenerationHooks {
  /** Stops the call, which throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Notes and the progress of downloads. */
  readonly hub?: HubOptions | undefined;
}

/** Prompts and files are named in messages, because they are settings of the command. */
const OPTIONS = {
  ...generatorOptions,
  ...allApplyWhen(
    {
      only: "in generate(): a TextGenerator gets its prompts from stream() and rows()",
      holds: () => false,
    },
    promptOptions,
  ),
};

const OPEN_HOOKS = optionsOf({ hub: optional(hubOptions) });
const ROWS_HOOKS = optionsOf({ signal: aSignal });
const STREAM = optionsOf({
  signal: aSignal,
  stream: optional(aNumber),
  name: optional(aText),
} satisfies Record<keyof StreamOptions, Check>);
const EXAMPLES = listOf("a list of examples, as loadLanguage reads them", having("an example", "input", "at"));

/** A model that continues prompts: texts as they are, or conversations, which its chat template renders. */
export class TextGenerator {
  private constructor(
    private readonly open: Pick<OpenModel, "model" | "tokenizer" | "folder">,
    private readonly settings: Pick<Settings<typeof generatorOptions>, "maxNewTokens" | "batchSize" | "seed">,
    private readonly own: GenerationConfig,
    private readonly generation: GenerationSettings,
    /** The most tokens that a prompt may have. */
    private readonly maxLength = Number.POSITIVE_INFINITY,
  ) {}

  /**
   * Opens a model, with an adapter if one is given. `stream` and `rows` take the prompts.
   * @throws UsageError for settings without effect or that are mutually exclusive
   */
  static async open(given: GeneratorSettings, hooks: Pick<GenerationHooks, "hub"> = {}): Promise<TextGenerator> {
    checkArguments("TextGenerator.open", ["hooks", hooks, OPEN_HOOKS]);
    const { hub } = hooks;
    const settings = resolveSettings(OPTIONS, given);
    const { model, revision, adapter, dtype, threads } = settings;
    refuseExcluding(settings.given);
    const which = { model, revision, adapter, ...(hub && { hub }) };
    const found = await findModel(which);
    const own = readGenerationConfig(found.folder, readConfig(found.folder));
    const generation = resolveGeneration(settings.given, own);
    refuseWithoutEffect(OPTIONS, settings, { generation });
    if (threads !== undefined) setThreads(threads);
    const task = namedTask("causal-lm");
    const opened = await openWithAdapter({ ...which, task, dtype: computeDtype(dtype) }, found);
    const open = { ...opened, tokenizer: await loadTokenizer(found.folder) };
    if (settings.merge && open.adapted) merge(open.adapted);
    packLinears(open.model);
    const stops = await splitStops(open.tokenizer, generation.stop);
    return new TextGenerator(open, settings, own, { ...generation, ...stops });
  }

  /**
   * A generator of the most likely continuations, for an open model.
   * @param maxLength the most tokens that a prompt may have
   */
  static async greedy(
    open: OpenModel,
    settings: { readonly maxNewTokens?: number | undefined; readonly batchSize: number },
    maxLength?: number,
  ): Promise<TextGenerator> {
    const own = readGenerationConfig(open.folder, open.checkpointConfig);
    const generation = resolveGeneration({ greedy: true }, own);
    const stops = await splitStops(open.tokenizer, generation.stop);
    return new TextGenerator(
      open,
      { maxNewTokens: undefined, ...settings, seed: 0 },
      own,
      { ...generation, ...stops },
      maxLength,
    );
  }

  /**
   * How many tokens a prompt has.
   * @param name of the prompt in errors
   * @throws BidoraError for a conversation that the chat template cannot render
   */
  async lengthOf(prompt: TextOrMessages, name = promptName(0)): Promise<number> {
    checkArguments("lengthOf", ["prompt", prompt, textOrMessages], ["name", name, aText]);
    const [ids] = await encodePrompts([exampleOf(prompt, name)], this.open.tokenizer);
    return ids!.length;
  }

  /** Continues one prompt, in pieces. @throws PromptTooLong for one that leaves no room */
  async *stream(prompt: TextOrMessages, options: StreamOptions = {}): AsyncGenerator<GeneratedPiece> {
    checkArguments("stream", ["prompt", prompt, textOrMessages], ["options", options, STREAM]);
    const { signal, stream = 0, name = promptName(0) } = options;
    const [encoded] = (await this.encode([exampleOf(prompt, name)])) as [Prompt];
    const own = { ...encoded, uniform: uniforms(this.settings.seed, stream) };
    try {
      yield* generateTexts(this.open, [own], this.generation, { signal });
    } catch (error) {
      await this.namingBadWeights(() => Promise.reject(error));
    }
  }

  /** Continues prompts, each as if it were alone, in their order. */
  rows(prompts: readonly TextOrMessages[], hooks: Pick<GenerationHooks, "signal"> = {}): AsyncGenerator<GeneratedRow> {
    return this.generate(() => {
      checkArguments("rows", ["prompts", prompts, promptList]);
      checkArguments("rows", ["hooks", hooks, ROWS_HOOKS]);
      return prompts.map((prompt, i) => exampleOf(prompt, promptName(i)));
    }, hooks);
  }

  /**
   * Continues the rows of a file.
   * @throws BidoraError `EMPTY_TEXT`, `PROMPT_TOO_LONG`, `VOCABULARY` naming the row, before anything is computed
   */
  examples(
    examples: readonly LanguageExample[],
    hooks: Pick<GenerationHooks, "signal"> = {},
  ): AsyncGenerator<GeneratedRow> {
    return this.generate(() => {
      checkArguments("examples", ["examples", examples, EXAMPLES]);
      checkArguments("examples", ["hooks", hooks, ROWS_HOOKS]);
      return examples;
    }, hooks);
  }

  /** @param given checks the arguments of a call, and returns its prompts */
  private async *generate(
    given: () => readonly LanguageExample[],
    hooks: Pick<GenerationHooks, "signal">,
  ): AsyncGenerator<GeneratedRow> {
    const examples = given();
    const { signal } = hooks;
    const prompts = await this.encode(examples);
    const { batchSize } = this.settings;
    for (let start = 0; start < prompts.length; start += batchSize) {
      const batch = prompts.slice(start, start + batchSize);
      const rows = await this.namingBadWeights(() => generateBatch(this.open, batch, this.generation, { signal }));
      for (const [i, row] of rows.entries())
        yield { prompt: await this.textOf(examples[start + i] as LanguageExample, (batch[i] as Prompt).ids), ...row };
    }
  }

  private async textOf({ input }: LanguageExample, ids: readonly number[]): Promise<string> {
    const text = input.kind === "text" ? input.text : input.kind === "prompt" ? input.prompt : undefined;
    return typeof text === "string" ? text : this.open.tokenizer.decode(ids, { skipSpecialTokens: false });
  }

  private encode(examples: readonly LanguageExample[]): Promise<Prompt[]> {
    const { maxNewTokens, seed } = this.settings;
    return promptsOf(this.open, examples, this.own, { maxNewTokens, maxLength: this.maxLength, seed });
  }

  private namingBadWeights<T>(body: () => Promise<T>): Promise<T> {
    const { folder, model } = this.open;
    return namingBadWeights(() => ({ folder, weights: weightsOf(model) }), body);
  }
}

/** Options of `TextGenerator.stream`. */
export interface StreamOptions extends Pick<GenerationHooks, "signal"> {
  /** Which of the seed's streams of random numbers to sample with. */
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

/** @throws UsageError for greedy search together with what is not greedy */
function refuseExcluding(given: GeneratorSettings): void {
  const beams = (given.beams ?? 1) > 1 ? "beams" : undefined;
  const other = given.greedy ? (SAMPLING_KEYS.find((key) => key in given) ?? beams) : undefined;
  if (other !== undefined)
    throw new UsageError(`--greedy takes the likeliest token each time, and ${flagOf(other)} does not: leave one out.`);
}

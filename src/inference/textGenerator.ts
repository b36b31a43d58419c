import { merge } from "../adapters/index.js";
import {
  aNumber,
  signal as aSignal,
  type Check,
  checkArguments,
  having,
  listOf,
  optional,
  options as optionsOf,
} from "../common/arguments.js";
import { uniforms } from "../common/seededGenerator.js";
import {
  callConditions,
  checkSettings,
  type GeneratorSettings,
  generateOptions,
  generatorConditions,
  generatorOptions,
  generatorSettings,
  refuseIdle,
  resolveSettings,
  type Settings,
} from "../config/index.js";
import { aWriting, CALL, encodePrompts, type LanguageExample, type Writing, writings } from "../data/index.js";
import {
  type Generated,
  type GeneratedPiece,
  type GenerationConfig,
  type GenerationSettings,
  generateRows,
  generateTexts,
  type Prompt,
  readGenerationConfig,
  resolveGeneration,
  splitStops,
} from "../generation/index.js";
import { readConfig } from "../io/checkpoint.js";
import { packLinears } from "../nn/index.js";
import { namedTask } from "../tasks/index.js";
import { loadTokenizer } from "../text/index.js";
import { computeDtype, setThreads } from "../torch/index.js";
import { namingBadWeights, weightsOf } from "../train/badWeights.js";
import { promptsOf } from "../train/prompts.js";
import { refuseExcluding } from "./generationChecks.js";
import { checkHooks, type InferenceHooks } from "./openForUse.js";
import { findModel, type OpenModel, openWithAdapter } from "./openModel.js";

/** A continuation, with the text that it goes on from: of a conversation, what its template made of it. */
export interface GeneratedRow extends Generated {
  readonly prompt: string;
}

/** What a call can say beside the settings. */
export interface GenerationHooks {
  /** Ends it, with the signal's reason as the error. */
  readonly signal?: AbortSignal | undefined;
  /** Notes for people, and the progress of downloads. */
  readonly hub?: InferenceHooks["hub"] | undefined;
}

const STREAM = optionsOf({ signal: aSignal, stream: optional(aNumber) } satisfies Record<keyof StreamOptions, Check>);
const EXAMPLES = listOf("a list of examples, as loadLanguage reads them", having("an example", "input", "at"));

/** A model that goes on from prompts: texts as they are, or conversations, which its chat template writes. */
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
   * Opens a model, with an adapter if one is given. What it goes on from, `stream` and `rows` are given.
   * @throws UsageError for settings without effect or that exclude each other
   */
  static async open(given: GeneratorSettings, hooks: Pick<GenerationHooks, "hub"> = {}): Promise<TextGenerator> {
    checkHooks("TextGenerator.open", hooks, "hub");
    const { hub } = hooks;
    const asked = checkSettings(generateOptions, given);
    refuseIdle(callConditions, asked, undefined);
    const settings = resolveSettings(generatorOptions, generatorSettings(asked));
    const { model, revision, adapter, dtype, threads } = settings;
    refuseExcluding(settings.given);
    const which = { model, revision, adapter, ...(hub && { hub }) };
    const found = await findModel(which);
    const own = readGenerationConfig(found.folder, readConfig(found.folder));
    const generation = resolveGeneration(settings.given, own);
    refuseIdle(generatorConditions, settings.given, { ...generation, adapter });
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
   * The likeliest continuations of a model that is open.
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

  /** How many tokens a prompt has. @throws BidoraError for a conversation that the chat template does not take */
  async lengthOf(prompt: Writing): Promise<number> {
    checkArguments("lengthOf", ["prompt", prompt, aWriting]);
    const [ids] = await encodePrompts([exampleOf(prompt, 0)], this.open.tokenizer);
    return ids!.length;
  }

  /** Goes on from one prompt, piece by piece. @throws PromptTooLong for one that leaves no room */
  async *stream(prompt: Writing, options: StreamOptions = {}): AsyncGenerator<GeneratedPiece> {
    checkArguments("stream", ["prompt", prompt, aWriting], ["options", options, STREAM]);
    const { signal, stream = 0 } = options;
    const [encoded] = (await this.encode([exampleOf(prompt, 0)])) as [Prompt];
    const own = { ...encoded, uniform: uniforms(this.settings.seed, stream) };
    yield* this.naming(generateTexts(this.open, [own], this.generation, { signal }));
  }

  /** Goes on from prompts, each as if it were alone; continuations come in their order. */
  async *rows(prompts: readonly Writing[], hooks: Pick<GenerationHooks, "signal"> = {}): AsyncGenerator<GeneratedRow> {
    checkArguments("rows", ["prompts", prompts, writings]);
    checkHooks("rows", hooks, "signal");
    yield* this.examples(prompts.map(exampleOf), hooks);
  }

  /**
   * The same with rows of a file.
   * @throws BidoraError `EMPTY_TEXT`, `PROMPT_TOO_LONG`, `VOCABULARY` naming the row, before anything is computed
   */
  async *examples(
    examples: readonly LanguageExample[],
    hooks: Pick<GenerationHooks, "signal"> = {},
  ): AsyncGenerator<GeneratedRow> {
    checkArguments("examples", ["examples", examples, EXAMPLES]);
    checkHooks("examples", hooks, "signal");
    const { signal } = hooks;
    const { batchSize } = this.settings;
    const prompts = await this.encode(examples);
    let next = 0;
    for await (const row of this.naming(generateRows(this.open, prompts, this.generation, { batchSize, signal }))) {
      const [example, { ids }] = [examples[next] as LanguageExample, prompts[next] as Prompt];
      next++;
      yield { prompt: await this.textOf(example, ids), ...row };
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

  /** Passes on what comes; where numbers are not finite, the model's own weights are looked at. */
  private async *naming<T>(pieces: AsyncGenerator<T>): AsyncGenerator<T> {
    const { folder, model } = this.open;
    const next = () =>
      namingBadWeights(
        () => ({ folder, weights: weightsOf(model) }),
        () => pieces.next(),
      );
    try {
      for (let piece = await next(); !piece.done; piece = await next()) yield piece.value;
    } finally {
      await pieces.return(undefined);
    }
  }
}

/** How one prompt is gone on from. */
export interface StreamOptions extends Pick<GenerationHooks, "signal"> {
  /** Which of the seed's streams of random numbers tokens are drawn with. */
  readonly stream?: number;
}

const exampleOf = (prompt: Writing, index: number): LanguageExample => ({
  input: { kind: "prompt", prompt, completion: undefined },
  label: undefined,
  at: { file: CALL, line: index + 1 },
});

import { merge, readAdapter } from "../adapters/index.js";
import { BidoraError, UsageError } from "../common/errors.js";
import { flagOf, type GenerateSettings, generateOptions, resolveSettings, type Settings } from "../config/index.js";
import { uniforms } from "../data/index.js";
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
  roomAfter,
  SAMPLING_KEYS,
} from "../generation/index.js";
import { readConfig } from "../io/checkpoint.js";
import { resolveModel } from "../io/resolveModel.js";
import { packLinears } from "../nn/index.js";
import { namedTask } from "../tasks/index.js";
import { computeDtype, setThreads } from "../torch/index.js";
import type { InferenceHooks } from "./evaluate.js";
import { baseFolder, type OpenModel, openModel } from "./openModel.js";

/** What a model is to go on from. */
export interface PromptText {
  readonly text: string;
  /** Names it in messages. */
  readonly name: string;
}

/** A continuation, with what it goes on from. */
export interface GeneratedRow extends Generated {
  readonly prompt: string;
}

type Hooks = Pick<InferenceHooks, "signal" | "hub">;

/** A model that is ready to go on from prompts. */
export class TextGenerator {
  private constructor(
    private readonly open: OpenModel,
    private readonly settings: Settings<typeof generateOptions>,
    private readonly own: GenerationConfig,
    private readonly generation: GenerationSettings,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /**
   * Opens a model, with an adapter if one is given. Settings that name prompts are passed over.
   * @throws UsageError for settings without effect or that exclude each other
   */
  static async open(given: GenerateSettings, { signal, hub }: Hooks = {}): Promise<TextGenerator> {
    const settings = resolveSettings(generateOptions, given);
    const { model, revision, adapter, dtype, threads } = settings;
    refuseExcluding(settings);
    const hubOption = hub && { hub };
    const saved = adapter === undefined ? undefined : await readAdapter(await resolveModel(adapter, hub));
    const folder = await baseFolder({ model, revision, ...hubOption }, saved);
    const own = readGenerationConfig(folder, readConfig(folder));
    const generation = resolveGeneration(settings.given, own);
    refuseIdle(settings, generation);
    if (threads !== undefined) setThreads(threads);
    const task = namedTask("causal-lm");
    const open = await openModel({ model, revision, adapter, task, dtype: computeDtype(dtype), ...hubOption });
    if (settings.merge && open.adapted) merge(open.adapted);
    packLinears(open.model);
    return new TextGenerator(open, settings, own, generation, signal);
  }

  /** Goes on from a text, piece by piece. */
  async *stream(text: string): AsyncGenerator<GeneratedPiece> {
    const prompt = await this.prompt({ text, name: "The prompt" }, 0);
    yield* generateTexts(this.open, [prompt], this.generation, { signal: this.signal });
  }

  /**
   * Goes on from texts, as if each were alone; results come in their order.
   * @throws BidoraError `EMPTY_TEXT`, `PROMPT_TOO_LONG` naming the prompt, before anything is computed
   */
  async *rows(prompts: readonly PromptText[]): AsyncGenerator<GeneratedRow> {
    const encoded = await Promise.all(prompts.map((prompt, i) => this.prompt(prompt, i)));
    const { batchSize } = this.settings;
    let next = 0;
    for await (const row of generateRows(this.open, encoded, this.generation, { batchSize, signal: this.signal }))
      yield { prompt: (prompts[next++] as PromptText).text, ...row };
  }

  /** @param stream of random numbers: each prompt has its own, whatever stands beside it */
  private async prompt({ text, name }: PromptText, stream: number): Promise<Prompt> {
    const { tokenizer, model } = this.open;
    const { inputIds: ids } = await tokenizer.encode([text]);
    if (ids.length === 0)
      throw new BidoraError("EMPTY_TEXT", `${name} has no tokens, so there is nothing to go on from: give some text.`);
    const maxNewTokens = roomAfter(ids.length, this.settings, this.own, model.config.maxTokens, name);
    return { ids, maxNewTokens, uniform: uniforms(this.settings.seed, stream) };
  }
}

/** @throws UsageError for the likeliest token beside what takes another */
function refuseExcluding({ greedy, given }: Settings<typeof generateOptions>): void {
  const other = SAMPLING_KEYS.find((key) => key in given) ?? ((given.beams ?? 1) > 1 ? "beams" : undefined);
  if (greedy && other !== undefined)
    throw new UsageError(`--greedy takes the likeliest token each time, and ${flagOf(other)} does not: leave one out.`);
}

/** @throws UsageError naming each setting that changes nothing, and where it would act */
function refuseIdle({ given }: Settings<typeof generateOptions>, { sampling, beams }: GenerationSettings): void {
  const idle = [
    !sampling && "seed" in given && `--seed (acts only with ${SAMPLING_KEYS.map(flagOf).join(", ")})`,
    !beams && "lengthPenalty" in given && "--length-penalty (acts only with --beams)",
    !beams && "earlyStopping" in given && "--early-stopping (acts only with --beams)",
    given.merge && given.adapter === undefined && "--merge (acts only with --adapter)",
  ].filter((text) => typeof text === "string");
  if (idle.length > 0)
    throw new UsageError(`No effect here: ${idle.join(", ")}; leave ${idle.length > 1 ? "them" : "it"} out.`);
}

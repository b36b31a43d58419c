/** An open model, which predicts rows and generates text until it is disposed of. */
import {
  anObject,
  aSwitch,
  BidoraError,
  checkArguments,
  isObject,
  listOf,
  optional,
  options as optionsOf,
  ResultStream,
  shown,
  signal,
  takes,
  UsageError,
} from "../../base/index.js";
import { checkSettings, filled, type Given, omit, pick } from "../../base/settings/index.js";
import { Grammars, type JsonSchema } from "../../models/generation/index.js";
import type { TaskModel } from "../../models/index.js";
import { generationOptions, rowOptions } from "../../tasks/config/index.js";
import { promptList, rowsTable, type Table, type TextOrMessages, textOrMessages } from "../../tasks/data/index.js";
import { isOfLanguageModel } from "../../tasks/index.js";
import type { Conversation, Message, Tokenizer } from "../../text/index.js";
import type { ToolChoice } from "../toolCalls/enforcing.js";
import type { InferenceModel } from "./open.js";
import { type OpenDraft, openDraft } from "./openDraft.js";
import { type Prediction, predictions } from "./predictions.js";
import { type GeneratedRow, generationPlan, TextGenerator } from "./textGenerator.js";
import type { AnswerPiece } from "./toolAnswers.js";

const { appliesWhen: _, ...textColumns } = rowOptions.textColumns;
const predictTable = {
  ...pick(rowOptions, "batchSize", "maxLength"),
  textColumns,
  maxNewTokens: generationOptions.maxNewTokens,
};
const generateTable = { ...pick(rowOptions, "batchSize"), ...generationOptions };

/** Settings of `Model.predict`: the flags of `bidora predict` about rows, in camelCase. */
export type ModelPredictSettings = Given<typeof predictTable>;

/** Settings of `Model.generate`: the flags of `bidora generate` about generation, in camelCase, and a schema. */
export type ModelGenerateSettings = Given<typeof generateTable> & {
  /**
   * The texts are JSON by this schema, unless they are cut off at `maxNewTokens` or a stop string: other tokens are not chosen. Needs the package
   * `@mlc-ai/web-xgrammar`. docs/serve.md has the keywords that a schema may have.
   */
  readonly jsonSchema?: JsonSchema | undefined;
  /**
   * For a conversation with tools: whether the answer may call them (`auto`), must call one (`required`), must call the one of a name, or gets
   * none (`none`). `required` and a name need the package `@mlc-ai/web-xgrammar`.
   */
  readonly toolChoice?: ToolChoice | undefined;
  /** Whether an answer may have several calls; true by default. */
  readonly parallelToolCalls?: boolean | undefined;
};

/** Hooks of a call of an open model. */
export interface CallHooks {
  /** Ends the call, which throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A row to predict: a text, or values by column, as in a data file. */
export type InputRow = string | Readonly<Record<string, unknown>>;

const HOOKS = optionsOf({ signal });
const ROWS = listOf(
  "a list of rows",
  takes('a string, or an object such as { text: "…" }', (row) => typeof row === "string" || isObject(row)),
);

/**
 * A model with its adapter and tokenizer, as returned by `load`. Calls may overlap without affecting each other's results.
 */
export class Model {
  #open: InferenceModel | undefined;
  readonly #closing = new AbortController();
  #grammars: Grammars | undefined;
  /** By name. */
  readonly #drafts = new Map<string, Promise<OpenDraft>>();
  /** The kind of its task: `sequence-classification`, `causal-lm`, … */
  readonly task: string;
  /** The names of its outputs, in the order of the logits; empty for a language model. */
  readonly labels: readonly string[];
  /** The folder that its weights were read from. */
  readonly folder: string;

  /** @internal */
  constructor(open: InferenceModel) {
    anObject(open, "Model: open");
    this.#open = open;
    this.task = open.kind;
    this.labels = open.labels;
    this.folder = open.folder;
  }

  /** The module tree, for custom forward passes. @throws BidoraError `DISPOSED` */
  get module(): TaskModel {
    return this.#opened().model;
  }

  /** The tokenizer. @throws BidoraError `DISPOSED` */
  get tokenizer(): Tokenizer {
    return this.#opened().tokenizer;
  }

  /**
   * Predicts rows in order, like `bidora predict`: `await` returns all predictions, `for await` streams them.
   * @param rows texts, or rows as in a data file: `{ text }`, `{ sentence1, sentence2 }`, `{ tokens }`, `{ question, context }`,
   *   `{ prompt }`, `{ messages }`; labels are ignored
   * @throws UsageError for no rows or other values; BidoraError naming the row that does not fit, `DISPOSED`
   */
  predict(
    rows: readonly InputRow[],
    settings: ModelPredictSettings = {},
    hooks: CallHooks = {},
  ): ResultStream<Prediction> {
    return this.#stream(hooks, (open, signal) => {
      checkArguments("predict", ["rows", rows, someRows]);
      checkArguments("predict", ["hooks", hooks, HOOKS]);
      const own = filled(predictTable, checkSettings(predictTable, settings));
      if (own.maxNewTokens !== undefined && !open.task.isGenerative)
        throw new UsageError("No effect: maxNewTokens is for language models; leave it out.");
      return predictions(open, tableOf(rows, open, own.textColumns), { ...own, signal });
    });
  }

  /**
   * Generates text after a prompt: `for await` streams pieces of the text, `await` returns the complete text.
   * @param prompt a text, or a conversation, which is rendered by the model's chat template: messages, or `{ messages, tools }`. With tools the
   *   answer's calls are in `toolCalls`
   * @throws UsageError for settings without effect; BidoraError `HEAD` for a model that is not a language model, `DISPOSED`, PromptTooLong
   */
  generate(
    prompt: string | readonly Message[] | Conversation,
    settings?: ModelGenerateSettings,
    hooks?: CallHooks,
  ): ResultStream<AnswerPiece, GeneratedRow>;
  /** Generates text after several prompts, with the same results as one at a time: `for await` streams the texts in order, `await` returns all. */
  generate(
    prompts: readonly TextOrMessages[],
    settings?: ModelGenerateSettings,
    hooks?: CallHooks,
  ): ResultStream<GeneratedRow>;
  generate(
    given: TextOrMessages | readonly TextOrMessages[],
    settings: ModelGenerateSettings = {},
    hooks: CallHooks = {},
  ): ResultStream<AnswerPiece, GeneratedRow> | ResultStream<GeneratedRow> {
    const isOne = typeof given === "string" || isConversation(given);
    const rows = (prompts: readonly TextOrMessages[]) =>
      this.#stream(hooks, async (open, signal) => {
        checkArguments("generate", ["prompts", prompts, somePrompts]);
        return (await this.#generator(open, settings, hooks)).rows(prompts, { signal });
      });
    if (!isOne) return rows(given as readonly TextOrMessages[]);
    const pieces = this.#stream(hooks, async (open, signal) => {
      checkArguments("generate", ["prompt", given, textOrMessages]);
      const generator = await this.#generator(open, settings, hooks);
      return generator.stream(given as TextOrMessages, { signal });
    });
    const whole = async () => (await rows([given as TextOrMessages]))[0] as GeneratedRow;
    return new ResultStream(() => pieces[Symbol.asyncIterator](), whole);
  }

  /** Releases the weights. Running calls fail with an error `DISPOSED`. May be called twice. */
  dispose(): void {
    const open = this.#open;
    this.#open = undefined;
    this.#closing.abort(disposed());
    this.#grammars?.dispose();
    for (const draft of this.#drafts.values())
      void draft.then(
        (opened) => opened[Symbol.dispose](),
        () => {},
      );
    open?.model.dispose();
    for (const tensor of open?.adapter?.tensors.values() ?? []) tensor.dispose();
  }

  /** The same as `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The same as `dispose`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  #opened(): InferenceModel {
    if (!this.#open) throw disposed();
    return this.#open;
  }

  /** @throws BidoraError `HEAD` for a model that is not a language model */
  async #generator(open: InferenceModel, given: ModelGenerateSettings, hooks: CallHooks): Promise<TextGenerator> {
    checkArguments("generate", ["hooks", hooks, HOOKS]);
    const { jsonSchema, batchSize, plan, settings, choice, isParallel } = generateSettings(open, given);
    const grammars = () => (this.#grammars ??= new Grammars(open.tokenizer, open.model.config.vocabSize));
    const openGrammar =
      jsonSchema === undefined
        ? undefined
        : (signal?: AbortSignal) => grammars().open(jsonSchema, plan.generation.endTokens, signal);
    const { draft: named, draftTokens: tokens } = settings;
    const draft = named === undefined ? undefined : { ...(await this.#draft(open, named)), tokens };
    const calls = { choice, isParallel, grammars };
    return TextGenerator.of(open, { ...plan, openGrammar, calls, draft }, { batchSize });
  }

  /** A draft, which is opened once; again if that fails. */
  #draft(open: InferenceModel, named: string): Promise<OpenDraft> {
    const known = this.#drafts.get(named) ?? openDraft(named, open);
    this.#drafts.set(named, known);
    known.catch(() => this.#drafts.delete(named));
    return known;
  }

  /** The results of one call, which ends when the model is disposed of. */
  #stream<T>(
    { signal }: CallHooks,
    call: (open: InferenceModel, signal: AbortSignal) => AsyncGenerator<T> | Promise<AsyncGenerator<T>>,
  ): ResultStream<T> {
    const ending = this.#closing.signal;
    return new ResultStream(
      async function* (this: Model) {
        const open = this.#opened();
        const either = signal instanceof AbortSignal ? AbortSignal.any([signal, ending]) : ending;
        yield* await call(open, either);
      }.bind(this),
    );
  }
}

const disposed = (): BidoraError =>
  new BidoraError("DISPOSED", "The model has been disposed of: load it again, or dispose of it after its last use.");

function someRows(rows: unknown, subject: string): void {
  if (typeof rows === "string" || isObject(rows))
    throw new UsageError(`${subject} takes a list of rows; got one, ${shown(rows)}: put it into a list.`);
  ROWS(rows, subject);
  if ((rows as readonly unknown[]).length === 0) throw new UsageError(`${subject} takes at least one row; got none.`);
}

function somePrompts(prompts: unknown, subject: string): void {
  promptList(prompts, subject);
  if ((prompts as readonly unknown[]).length === 0)
    throw new UsageError(`${subject} takes at least one prompt; got none.`);
}

const isMessage = (value: unknown): boolean => isObject(value) && "role" in value;

const isConversation = (given: unknown): boolean =>
  Array.isArray(given) ? given.length > 0 && given.every(isMessage) : isObject(given) && "messages" in given;

/** The rows as a table; a string becomes the value of the column that the model was trained on. */
function tableOf(rows: readonly InputRow[], open: InferenceModel, given: readonly string[] | undefined): Table {
  const trained = open.metadata?.textColumns;
  const usual = open.task.isGenerative ? "prompt" : trained?.length === 1 ? trained[0] : "text";
  const column = given?.[0] ?? (usual as string);
  return rowsTable(rows.map((row) => (typeof row === "string" ? { [column]: row } : row)));
}

const A_CHOICE = takes(
  '"none", "auto", "required" or { name }',
  (value) =>
    ["none", "auto", "required"].includes(value as string) || (isObject(value) && typeof value.name === "string"),
);

/** Checks the settings of `generate`. @throws BidoraError `HEAD` for a model that is not a language model */
function generateSettings(open: InferenceModel, given: ModelGenerateSettings) {
  anObject(given, "settings");
  const { jsonSchema, toolChoice: choice, parallelToolCalls: isParallel = true, ...flags } = given;
  optional(A_CHOICE)(choice, "generate: toolChoice");
  aSwitch(isParallel, "generate: parallelToolCalls");
  if (jsonSchema !== undefined && choice !== undefined && choice !== "none")
    throw new UsageError("jsonSchema and toolChoice ask for two formats of one answer: leave one out.");
  if (jsonSchema !== undefined && !isObject(jsonSchema) && typeof jsonSchema !== "boolean")
    throw new UsageError(`generate: jsonSchema takes a JSON schema, an object; got ${shown(jsonSchema)}.`);
  const { batchSize, ...settings } = filled(generateTable, checkSettings(generateTable, flags));
  if (!isOfLanguageModel(open.task))
    throw new BidoraError(
      "HEAD",
      `The model is for ${open.kind}, and generate() takes a language model: call predict().`,
    );
  const plan = generationPlan(open.folder, { ...settings, given: omit(settings.given, "batchSize") });
  if (jsonSchema !== undefined && plan.generation.beams)
    throw new UsageError("jsonSchema limits one token after the other, and beam search does not: leave one out.");
  return { jsonSchema, batchSize, plan, settings, choice, isParallel };
}

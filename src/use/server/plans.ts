/** From a request to what is computed for it. */
import { randomInt } from "node:crypto";
import { BidoraError } from "../../base/index.js";
import {
  type GenerationConfig,
  type GenerationSettings,
  type Grammar,
  Grammars,
  type JsonSchema,
  readGenerationConfig,
  resolveGeneration,
  splitStops,
} from "../../models/generation/index.js";
import { type TextTokens, TokenBytes, type Tokenizer, type Tool } from "../../text/index.js";
import { CallReading } from "../toolCalls/callReading.js";
import { isRequired, openCallGrammar, type ToolChoice, toolsOf } from "../toolCalls/enforcing.js";
import { invalid } from "./apiError.js";
import type { ChoicesCall } from "./choices.js";
import type { WantedLogprobs } from "./engine/job.js";
import { type EncodedPrompt, encode, type GivenPrompt, type NewTokenCount } from "./prompts.js";
import type { ChatRequest } from "./requests/chat.js";
import { type CompletionRequest, newTokensOf } from "./requests/completion.js";
import { type GenerationRequest, requestOverrides, schemaOf } from "./requests/generation.js";
import type { Input } from "./requests/inputs.js";
import { choiceIn, toolsIn } from "./requests/tools.js";
import { ChatForm } from "./responses/chat.js";
import type { Answered, ResponseForm } from "./responses/common.js";
import { CompletionForm, type EchoedPrompt } from "./responses/completion.js";
import { charactersIn } from "./responses/tokens.js";
import type { ServedModel } from "./servedModel.js";

export interface Plan {
  readonly model: string;
  readonly call: Omit<ChoicesCall, "onComputed">;
  readonly form: ResponseForm;
  readonly stream: boolean;
  readonly includesUsage: boolean;
}

/** A seed is chosen below this number where none is given. */
const SEEDS = 2 ** 32;

/** The most log-probabilities of a request: of so many tokens, each with its most likely ones. */
const MOST_LOGPROBS = 2 ** 21;

/** The seed that a response names is that of sampling, with which the same request gives the same answer. */
function planOf(request: GenerationRequest, call: Plan["call"], formOf: (answered: Answered) => ResponseForm): Plan {
  const { model, n, stream, stream_options } = request;
  const includesUsage = stream_options?.include_usage === true;
  const seed = call.settings.sampling ? call.seed : undefined;
  const form = formOf({ model, seed, n, logprobs: call.logprobs !== undefined, includesUsage });
  return { model, call, form, stream, includesUsage };
}

/** How an answer calls tools. */
interface AskedCalls {
  readonly tools: readonly Tool[];
  readonly choice: ToolChoice;
  readonly isSingle: boolean;
  readonly reading: CallReading;
}

export class TextPlans {
  readonly #own: GenerationConfig;
  readonly #bytes: TokenBytes;
  readonly #tokenizer: Tokenizer;
  readonly #grammars: Grammars;

  constructor(private readonly served: ServedModel) {
    const { base } = served;
    this.#own = readGenerationConfig(base.folder, base.checkpointConfig);
    this.#tokenizer = base.tokenizer;
    this.#bytes = new TokenBytes(base.tokenizer);
    this.#grammars = new Grammars(base.tokenizer, base.model.config.vocabSize);
  }

  dispose(): void {
    this.#grammars.dispose();
  }

  /** @throws ApiError, BidoraError for a request that can't be answered */
  async chat(request: ChatRequest, signal: AbortSignal): Promise<Plan> {
    const { messages, chat_template_kwargs: chatTemplateKwargs, logprobs, top_logprobs: top = 0 } = request;
    const calls = this.#calls(request);
    const wanted = request.max_completion_tokens ?? request.max_tokens;
    const scored = logprobs ? { top, ofPrompt: false } : undefined;
    const conversation = { messages, ...(calls && { tools: calls.tools }), chatTemplateKwargs };
    const count = { wanted, isAsked: wanted !== undefined };
    const prompts = await this.#prompts(request, [conversation], count, scored, signal);
    const call = await this.#call(request, prompts, wanted, scored, signal, calls);
    return planOf(request, call, (answered) => new ChatForm(answered, this.#bytes, calls?.reading.newReader));
  }

  /** How the answer to a request calls tools; undefined if it can't. @throws BidoraError `TOOLS` */
  #calls(request: ChatRequest): AskedCalls | undefined {
    const [tools, choice] = [toolsIn(request), choiceIn(request)];
    if (choice === "none") return undefined;
    const isSingle = typeof choice === "object" || request.parallel_tool_calls === false;
    return { tools, choice, isSingle, reading: new CallReading(this.#tokenizer, this.#bytes, tools, isSingle) };
  }

  /** @throws ApiError, BidoraError for a request that can't be answered */
  async completion(request: CompletionRequest, signal: AbortSignal): Promise<Plan> {
    const { echo, prompt: given, logprobs: top } = request;
    const count = newTokensOf(request);
    const scored = top === undefined ? undefined : { top, ofPrompt: echo };
    const prompts = await this.#prompts(request, given, count, scored, signal);
    const echoes = echo ? await this.#echoes(given, prompts, signal) : undefined;
    const before = prompts.map(({ ids }) => this.#bytes.contextIn(ids));
    const call = { ...(await this.#call(request, prompts, count.wanted, scored, signal)), before };
    return planOf(request, call, (answered) => new CompletionForm(answered, before, echoes, this.#bytes));
  }

  async #prompts(
    { n }: GenerationRequest,
    given: readonly GivenPrompt[],
    count: NewTokenCount,
    scored: WantedLogprobs | undefined,
    signal: AbortSignal,
  ): Promise<EncodedPrompt[]> {
    const prompts = await encode(this.served.base, given, { count, own: this.#own, signal });
    checkLogprobs(scored, prompts, n);
    return prompts;
  }

  async #call(
    request: GenerationRequest,
    prompts: readonly EncodedPrompt[],
    maxNewTokens: number | undefined,
    logprobs: WantedLogprobs | undefined,
    signal: AbortSignal,
    calls?: AskedCalls,
  ): Promise<Plan["call"]> {
    const { model, n, seed = randomInt(SEEDS) } = request;
    const resolved = resolveGeneration(requestOverrides(request, maxNewTokens), this.#own);
    if (resolved.beams && logprobs)
      throw invalid(
        "logprobs are not served with beam search, which the model's settings ask for: give a temperature of 0.",
        "logprobs",
      );
    const shown = calls?.reading.shown;
    const stops = await splitStops(this.#tokenizer, resolved.stop, () => shown ?? new Set());
    const settings: GenerationSettings = { ...resolved, ...stops };
    const grammar = await this.#grammar(request, settings, signal, calls);
    return { adapter: this.served.adapters.get(model), prompts, n, seed, settings, logprobs, grammar, shown };
  }

  /** What the answer must be, or undefined for any text. */
  async #grammar(
    request: GenerationRequest,
    { beams, endTokens }: GenerationSettings,
    signal: AbortSignal,
    calls: AskedCalls | undefined,
  ): Promise<Grammar | undefined> {
    const schema = schemaOf(request);
    const isCall = calls !== undefined && isRequired(calls.choice);
    if (schema === undefined && !isCall) return undefined;
    const param = isCall ? "tool_choice" : "response_format";
    if (beams)
      throw invalid(
        `${param} is not served with beam search, which the model's settings ask for: give a temperature of 0.`,
        param,
      );
    if (!isCall) return this.#grammars.open(schema as JsonSchema, endTokens, signal);
    const { vocabSize } = this.served.base.model.config;
    const tools = toolsOf(calls.tools, calls.choice);
    const required = { tools, isSingle: calls.isSingle, endTokens, vocabSize, signal };
    return openCallGrammar(this.#grammars, this.#tokenizer, required).catch((error: unknown) => {
      throw error instanceof BidoraError && error.code === "JSON_SCHEMA" ? invalid(error.message, "tools") : error;
    });
  }

  /** Prompts as choices repeat them, one after the other, so that other requests go on. */
  async #echoes(
    given: readonly Input[],
    prompts: readonly EncodedPrompt[],
    signal: AbortSignal,
  ): Promise<EchoedPrompt[]> {
    const echoes: EchoedPrompt[] = [];
    for (const [i, one] of given.entries()) {
      signal.throwIfAborted();
      echoes.push(await this.#echo(one, prompts[i]!));
    }
    return echoes;
  }

  /** A prompt's text and the places of its tokens in it. */
  async #echo(given: Input, { ids }: EncodedPrompt): Promise<EchoedPrompt> {
    if (typeof given !== "string") return this.#echoIds(ids);
    const [{ offsets }] = (await this.#tokenizer.tokensOf([given])) as [TextTokens];
    const front = new Array<number>(ids.length - offsets.length).fill(0);
    return { text: given, ids, offsets: [...front, ...offsets.map(([from]) => from)] };
  }

  async #echoIds(ids: readonly number[]): Promise<EchoedPrompt> {
    let end = 0;
    const offsets = ids.map((id, i) => {
      const from = end;
      end += charactersIn(i === 0 ? this.#bytes.atStart(id) : this.#bytes.of(id));
      return from;
    });
    return { text: await this.#tokenizer.decode(ids, { skipSpecialTokens: false }), ids, offsets };
  }
}

/** @throws ApiError 400 for more log-probabilities than a response has */
function checkLogprobs(wanted: WantedLogprobs | undefined, prompts: readonly EncodedPrompt[], n: number): void {
  if (!wanted) return;
  const { top, ofPrompt } = wanted;
  const tokens = prompts.reduce((sum, { ids, maxNewTokens }) => sum + (ofPrompt ? ids.length : 0) + maxNewTokens, 0);
  const count = n * tokens * (top + 1);
  if (count <= MOST_LOGPROBS) return;
  throw invalid(
    `A request has at most ${MOST_LOGPROBS} log-probabilities, and this one up to ${count}: ask for fewer tokens or logprobs, or send several requests.`,
    "logprobs",
  );
}

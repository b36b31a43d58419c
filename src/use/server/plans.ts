/** From a request to what is computed for it. */
import { randomInt } from "node:crypto";
import {
  type GenerationConfig,
  type GenerationOverrides,
  type GenerationSettings,
  Grammars,
  readGenerationConfig,
  resolveGeneration,
  splitStops,
} from "../../models/generation/index.js";
import { type TextTokens, TokenBytes, type Tokenizer } from "../../text/index.js";
import { invalid } from "./apiError.js";
import type { ChoicesCall } from "./choices.js";
import type { WantedLogprobs } from "./engine/job.js";
import { type EncodedPrompt, encode } from "./prompts.js";
import type { ChatRequest } from "./requests/chat.js";
import { type CompletionRequest, newTokensOf } from "./requests/completion.js";
import { requestOverrides } from "./requests/generation.js";
import type { Input } from "./requests/inputs.js";
import { schemaOf } from "./requests/responseFormat.js";
import { ChatForm } from "./responses/chat.js";
import type { ResponseForm } from "./responses/common.js";
import { CompletionForm, type EchoedPrompt } from "./responses/completion.js";
import { charactersIn } from "./responses/tokens.js";
import type { ServedModel } from "./servedModel.js";

/** How a request is answered. */
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

/** The seed that a response names: that of sampling, with which the same request gives the same answer. */
const seedShown = ({ settings, seed }: Plan["call"]): number | undefined => (settings.sampling ? seed : undefined);

/** Plans the answers of the routes that generate text. */
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
    const { model, n, logprobs, messages } = request;
    const wanted = request.max_completion_tokens ?? request.max_tokens;
    const prompts = await encode(this.served.base, [messages], {
      count: { wanted, isAsked: wanted !== undefined },
      own: this.#own,
      signal,
    });
    const scored = logprobs ? { top: request.top_logprobs ?? 0, ofPrompt: false } : undefined;
    checkLogprobs(scored, prompts, n);
    const call = await this.#call(request, prompts, requestOverrides(request, wanted), scored, signal);
    const includesUsage = request.stream_options?.include_usage === true;
    const form = new ChatForm({ model, n, logprobs, includesUsage, seed: seedShown(call) }, this.#bytes);
    return { model, call, form, stream: request.stream, includesUsage };
  }

  /** @throws ApiError, BidoraError for a request that can't be answered */
  async completion(request: CompletionRequest, signal: AbortSignal): Promise<Plan> {
    const { model, n, echo, prompt: given, logprobs } = request;
    const count = newTokensOf(request);
    const prompts = await encode(this.served.base, given, { count, own: this.#own, signal });
    const scored = logprobs === undefined ? undefined : { top: logprobs, ofPrompt: echo };
    checkLogprobs(scored, prompts, n);
    const echoes = echo ? await this.#echoes(given, prompts, signal) : undefined;
    const call = await this.#call(request, prompts, requestOverrides(request, count.wanted), scored, signal);
    const includesUsage = request.stream_options?.include_usage === true;
    const options = {
      ...{ model, n, prompts: given.length, echoes, logprobs: logprobs !== undefined, includesUsage },
      seed: seedShown(call),
    };
    return { model, call, form: new CompletionForm(options, this.#bytes), stream: request.stream, includesUsage };
  }

  async #call(
    {
      model,
      n,
      seed = randomInt(SEEDS),
      response_format,
    }: Pick<ChatRequest, "model" | "n" | "seed" | "response_format">,
    prompts: readonly EncodedPrompt[],
    overrides: GenerationOverrides,
    logprobs: WantedLogprobs | undefined,
    signal: AbortSignal,
  ): Promise<Plan["call"]> {
    const resolved = resolveGeneration(overrides, this.#own);
    if (resolved.beams && logprobs)
      throw invalid(
        "logprobs are not served with beam search, which the model's settings ask for: give a temperature of 0.",
        "logprobs",
      );
    const settings: GenerationSettings = { ...resolved, ...(await splitStops(this.#tokenizer, resolved.stop)) };
    const schema = schemaOf(response_format);
    if (resolved.beams && schema !== undefined)
      throw invalid(
        "response_format is not served with beam search, which the model's settings ask for: give a temperature of 0.",
        "response_format",
      );
    const grammar = schema === undefined ? undefined : await this.#grammars.open(schema, settings.endTokens, signal);
    return { adapter: this.served.adapters.get(model), prompts, n, seed, settings, logprobs, grammar };
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
      echoes.push(await this.#echo(one, prompts[i] as EncodedPrompt));
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
    const offsets = ids.map((id) => {
      const from = end;
      end += charactersIn(this.#bytes.of(id));
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

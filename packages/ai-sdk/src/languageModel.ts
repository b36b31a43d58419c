import { randomUUID } from "node:crypto";
import type {
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3FinishReason,
  LanguageModelV3GenerateResult,
  LanguageModelV3Prompt,
  LanguageModelV3StreamPart,
  LanguageModelV3StreamResult,
  LanguageModelV3Usage,
  SharedV3Warning,
} from "@ai-sdk/provider";
import type { AnswerPiece, CallPiece, Conversation, Finish, Model, ReadCall } from "bidora";
import { settingsOf, warning } from "./callSettings.js";
import { asSdkError } from "./errors.js";
import { messagesOf, textOf } from "./prompts.js";
import { CallParts, callContent, isJson, toolsOf } from "./tools.js";

/** A conversation or a text, and the number of its tokens. */
interface Input {
  readonly prompt: string | Conversation;
  readonly tokens: number;
}

/** A generation whose first piece is there: what is wrong with the call has been thrown. */
interface Started {
  readonly pieces: AsyncIterator<AnswerPiece>;
  readonly first: IteratorResult<AnswerPiece>;
  readonly inputTokens: number;
  /** Whether the answer may call tools, and so perhaps has no text. */
  readonly mayCall: boolean;
  readonly warnings: SharedV3Warning[];
}

/** A language model that bidora runs. */
export class BidoraLanguageModel implements LanguageModelV3 {
  readonly specificationVersion = "v3";
  readonly provider: string;
  readonly supportedUrls: Record<string, RegExp[]> = {};

  /**
   * @param kind `chat` renders conversations by the model's chat template, `completion` continues a text
   * @param open opens the model, or returns it if it is open
   */
  constructor(
    readonly modelId: string,
    private readonly kind: "chat" | "completion",
    private readonly open: () => Promise<Model>,
  ) {
    this.provider = `bidora.${kind}`;
  }

  async doGenerate(options: LanguageModelV3CallOptions): Promise<LanguageModelV3GenerateResult> {
    const { warnings, inputTokens, ...generation } = await this.#start(options);
    let [text, outputTokens, finish]: [string, number, Finish | undefined] = ["", 0, undefined];
    const pieces: CallPiece[] = [];
    for await (const piece of this.#rest(generation, options)) {
      text += piece.text;
      pieces.push(...(piece.toolCalls ?? []));
      outputTokens += piece.tokens.length;
      finish = piece.finish ?? finish;
    }
    const calls = joined(pieces).filter((call) => finish !== "length" || isJson(call.function.arguments));
    return {
      content: [
        ...(text !== "" || calls.length === 0 ? [{ type: "text" as const, text }] : []),
        ...calls.map(callContent),
      ],
      finishReason: reasonOf(finish, calls.length > 0),
      usage: usageOf(inputTokens, outputTokens),
      warnings,
      response: this.#response(),
    };
  }

  async doStream(options: LanguageModelV3CallOptions): Promise<LanguageModelV3StreamResult> {
    const started = await this.#start(options);
    const parts = this.#parts(started, options);
    return {
      stream: new ReadableStream<LanguageModelV3StreamPart>({
        async pull(controller) {
          const { done, value } = await parts.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        async cancel() {
          await parts.return(undefined);
          await started.pieces.return?.();
        },
      }),
    };
  }

  #response() {
    return { id: randomUUID(), timestamp: new Date(), modelId: this.modelId };
  }

  async #start(options: LanguageModelV3CallOptions): Promise<Started> {
    const { abortSignal, prompt } = options;
    const { settings: plain, warnings: ofSettings } = settingsOf(options);
    const { tools, toolChoice, warnings: ofTools } = toolsOf(options);
    const isChat = this.kind === "chat";
    const read = isChat ? { messages: messagesOf(prompt), ...(toolChoice !== "none" && { tools }) } : textOf(prompt);
    const mayCall = toolChoice !== undefined && toolChoice !== "none";
    const settings = isChat && mayCall ? { ...plain, toolChoice } : plain;
    const ofKind = !isChat && mayCall ? [warning("tools", "a completion model calls no tools")] : [];
    const warnings = [...ofSettings, ...ofTools, ...ofKind];
    const model = await this.open();
    abortSignal?.throwIfAborted();
    try {
      const input = await inputOf(model, read);
      const stream = model.generate(input.prompt as string, settings, { signal: abortSignal });
      const pieces = stream[Symbol.asyncIterator]();
      return { pieces, first: await pieces.next(), inputTokens: input.tokens, mayCall, warnings };
    } catch (error) {
      throw asSdkError(error, prompt);
    }
  }

  async *#rest({ pieces, first }: Pick<Started, "pieces" | "first">, { prompt }: { prompt: LanguageModelV3Prompt }) {
    try {
      for (let next = first; !next.done; next = await pieces.next()) yield next.value;
    } catch (error) {
      throw asSdkError(error, prompt);
    }
  }

  async *#parts(started: Started, options: LanguageModelV3CallOptions): AsyncGenerator<LanguageModelV3StreamPart> {
    const { warnings, inputTokens } = started;
    yield { type: "stream-start", warnings };
    yield { type: "response-metadata", ...this.#response() };
    const [text, calls] = [new TextParts(), new CallParts()];
    if (!started.mayCall) yield* text.start();
    let [outputTokens, finish]: [number, Finish | undefined] = [0, undefined];
    try {
      for await (const piece of this.#rest(started, options)) {
        if (options.includeRawChunks) yield { type: "raw", rawValue: piece };
        yield* text.of(piece.text);
        if (piece.toolCalls?.length) yield* text.end();
        yield* calls.of(piece.toolCalls ?? []);
        outputTokens += piece.tokens.length;
        finish = piece.finish ?? finish;
      }
    } catch (error) {
      if (options.abortSignal?.aborted) throw error;
      yield { type: "error", error };
      yield {
        type: "finish",
        finishReason: { unified: "error", raw: undefined },
        usage: usageOf(inputTokens, outputTokens),
      };
      return;
    }
    yield* text.end();
    yield* calls.end(finish === "length");
    const finishReason = reasonOf(finish, calls.count > 0);
    yield { type: "finish", finishReason, usage: usageOf(inputTokens, outputTokens) };
  }
}

/** Blocks of text in a stream, each from the first text to the next call or the end. */
class TextParts {
  #count = 0;
  #isOpen = false;

  *start(): Generator<LanguageModelV3StreamPart> {
    if (!this.#isOpen) yield { type: "text-start", id: `${this.#count}` };
    this.#isOpen = true;
  }

  *of(delta: string): Generator<LanguageModelV3StreamPart> {
    if (delta === "") return;
    yield* this.start();
    yield { type: "text-delta", id: `${this.#count}`, delta };
  }

  *end(): Generator<LanguageModelV3StreamPart> {
    if (this.#isOpen) yield { type: "text-end", id: `${this.#count++}` };
    this.#isOpen = false;
  }
}

/** Whole calls of their parts. */
function joined(pieces: readonly CallPiece[]): ReadCall[] {
  const calls: ReadCall[] = [];
  for (const { index, id = "", name = "", arguments: more } of pieces) {
    const before = calls[index] ?? { id, type: "function", function: { name, arguments: "" } };
    const given = before.function.arguments + more;
    calls[index] = { ...before, function: { ...before.function, arguments: given } };
  }
  return calls;
}

/** The prompt as the model reads it, and the number of its tokens. */
async function inputOf({ tokenizer }: Model, prompt: string | Conversation): Promise<Input> {
  if (typeof prompt !== "string") {
    const { text } = tokenizer
      .chatTemplate(Boolean(prompt.tools?.length))
      .render(prompt, { addGenerationPrompt: true });
    return { prompt, tokens: await countOf(tokenizer, text) };
  }
  const before = (await tokenizer.prefixIds()).length;
  return { prompt, tokens: before + (await countOf(tokenizer, prompt)) };
}

async function countOf(tokenizer: Model["tokenizer"], text: string): Promise<number> {
  const [{ ids } = { ids: [] }] = await tokenizer.tokensOf([text]);
  return ids.length;
}

/** `eos`: the model ended its answer; `stop`: a stop sequence did. */
const reasonOf = (finish: Finish | undefined, hasCalls: boolean): LanguageModelV3FinishReason => ({
  unified: finish === "length" ? "length" : finish === undefined ? "other" : hasCalls ? "tool-calls" : "stop",
  raw: finish,
});

const usageOf = (input: number, output: number): LanguageModelV3Usage => ({
  inputTokens: { total: input, noCache: input, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: output, text: output, reasoning: undefined },
});

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
import type { Finish, GeneratedPiece, Message, Model } from "bidora";
import { settingsOf } from "./callSettings.js";
import { asSdkError } from "./errors.js";
import { messagesOf, textOf } from "./prompts.js";

/** A conversation or a text, and the number of its tokens. */
interface Input {
  readonly prompt: string | readonly Message[];
  readonly tokens: number;
}

/** A generation whose first piece is there: what is wrong with the call has been thrown. */
interface Started {
  readonly pieces: AsyncIterator<GeneratedPiece>;
  readonly first: IteratorResult<GeneratedPiece>;
  readonly inputTokens: number;
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
    for await (const piece of this.#rest(generation, options)) {
      text += piece.text;
      outputTokens += piece.tokens.length;
      finish = piece.finish ?? finish;
    }
    return {
      content: [{ type: "text", text }],
      finishReason: reasonOf(finish),
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
    const { settings, warnings } = settingsOf(options);
    const read = this.kind === "chat" ? messagesOf(prompt) : textOf(prompt);
    const model = await this.open();
    abortSignal?.throwIfAborted();
    try {
      const input = await inputOf(model, read);
      const stream = model.generate(input.prompt as Message[], settings, { signal: abortSignal });
      const pieces = stream[Symbol.asyncIterator]();
      return { pieces, first: await pieces.next(), inputTokens: input.tokens, warnings };
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
    const id = "0";
    yield { type: "text-start", id };
    let [outputTokens, finish]: [number, Finish | undefined] = [0, undefined];
    try {
      for await (const piece of this.#rest(started, options)) {
        if (options.includeRawChunks) yield { type: "raw", rawValue: piece };
        if (piece.text !== "") yield { type: "text-delta", id, delta: piece.text };
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
    yield { type: "text-end", id };
    yield { type: "finish", finishReason: reasonOf(finish), usage: usageOf(inputTokens, outputTokens) };
  }
}

/** The prompt as the model reads it, and the number of its tokens. */
async function inputOf({ tokenizer }: Model, prompt: string | readonly Message[]): Promise<Input> {
  if (typeof prompt !== "string") {
    const { text } = tokenizer.chatTemplate().render(prompt, { addGenerationPrompt: true });
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
const reasonOf = (finish: Finish | undefined): LanguageModelV3FinishReason => ({
  unified: finish === "length" ? "length" : finish === undefined ? "other" : "stop",
  raw: finish,
});

const usageOf = (input: number, output: number): LanguageModelV3Usage => ({
  inputTokens: { total: input, noCache: input, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: output, text: output, reasoning: undefined },
});

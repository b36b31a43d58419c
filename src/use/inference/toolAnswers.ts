/** Answers to conversations with tools: their calls are read, or enforced. */
import { UsageError } from "../../base/index.js";
import {
  type Finish,
  type GeneratedPiece,
  type GenerationSettings,
  type Grammar,
  type Grammars,
  StopStrings,
  TextWriter,
} from "../../models/generation/index.js";
import type { LanguageExample } from "../../tasks/data/index.js";
import { asConversation, type Conversation, TokenBytes, type Tool, withoutTools } from "../../text/index.js";
import { CallReading, type ReadCall, wholeCalls } from "../toolCalls/callReading.js";
import { isRequired, openCallGrammar, type ToolChoice, toolsOf } from "../toolCalls/enforcing.js";
import type { AnswerReader, CallPiece } from "../toolCalls/format.js";
import { callFormatOf } from "../toolCalls/formats.js";
import type { InferenceModel } from "./open.js";

/** The next piece of an answer. */
export interface AnswerPiece extends GeneratedPiece {
  /** Parts of calls of tools, for conversations with tools. */
  readonly toolCalls?: readonly CallPiece[];
}

/** Settings of answers to conversations with tools. */
export interface ToolSettings {
  /** `auto` if not given. */
  readonly choice: ToolChoice | undefined;
  readonly isParallel: boolean;
  grammars(): Grammars;
}

/** The conversation of an example's prompt; undefined for a text. */
function conversationOf({ input }: LanguageExample): Conversation | undefined {
  if (input.kind === "text") return undefined;
  const prompt = input.kind === "prompt" ? input.prompt : input;
  return typeof prompt === "string" ? undefined : asConversation(prompt);
}

/** The example, without its tools if none may be called. @throws UsageError for settings without effect */
export function withChoice(example: LanguageExample, settings: ToolSettings | undefined): LanguageExample {
  if (settings?.choice === undefined) return example;
  const conversation = conversationOf(example);
  if (!conversation?.tools?.length)
    throw new UsageError(
      "No effect: toolChoice is for conversations with tools; leave it out, or give { messages, tools }.",
    );
  if (settings.choice !== "none") return example;
  return { ...example, input: { kind: "prompt", prompt: withoutTools(conversation), completion: undefined } };
}

/** How the answer to one prompt with tools is read. */
export class ToolAnswers {
  private constructor(
    private readonly open: InferenceModel,
    private readonly tools: readonly Tool[],
    private readonly settings: ToolSettings | undefined,
    private readonly reading: CallReading,
  ) {}

  /**
   * Undefined for a prompt without tools, and for a model whose calls are not read unless a choice is given.
   * @throws UsageError for a name that is no tool's; BidoraError `TOOLS`
   */
  static of(
    open: InferenceModel,
    example: LanguageExample,
    settings: ToolSettings | undefined,
  ): ToolAnswers | undefined {
    const tools = conversationOf(example)?.tools ?? [];
    const { choice, isParallel = true } = settings ?? {};
    if (tools.length === 0 || (choice === undefined && !callFormatOf(open.tokenizer))) return undefined;
    if (choice !== undefined && toolsOf(tools, choice).length === 0)
      throw new UsageError(
        `toolChoice names ${JSON.stringify((choice as { name: string }).name)}, which is no tool's name.`,
      );
    const bytes = new TokenBytes(open.tokenizer);
    const isSingle = !isParallel || typeof choice === "object";
    return new ToolAnswers(open, tools, settings, new CallReading(open.tokenizer, bytes, tools, isSingle));
  }

  /** The grammar of calls, if the answer must have them. @throws as `openCallGrammar` */
  async grammar({ endTokens, beams }: GenerationSettings, signal?: AbortSignal): Promise<Grammar | undefined> {
    const { choice = "auto", isParallel = true } = this.settings ?? {};
    if (!this.settings || !isRequired(choice)) return undefined;
    if (beams)
      throw new UsageError("toolChoice limits one token after the other, and beam search does not: leave one out.");
    const { tokenizer, model } = this.open;
    return openCallGrammar(this.settings.grammars(), tokenizer, {
      tools: toolsOf(this.tools, choice),
      isSingle: !isParallel || typeof choice === "object",
      ...{ endTokens, vocabSize: model.config.vocabSize, signal },
    });
  }

  /** The pieces with their calls, which are no text. */
  async *read(pieces: AsyncIterable<GeneratedPiece>, { stop }: GenerationSettings): AsyncGenerator<AnswerPiece> {
    const [writer, reader] = [this.#writer(stop), this.reading.newReader()];
    for await (const piece of pieces) yield { ...piece, ...(await read(writer, reader, piece)) };
  }

  /** A whole answer. */
  async whole(tokens: readonly number[], finish: Finish, { stop }: GenerationSettings) {
    const { text, toolCalls } = await read(this.#writer(stop), this.reading.newReader(), { tokens, finish });
    const calls: readonly ReadCall[] = wholeCalls(toolCalls);
    return { text, ...(calls.length > 0 && { toolCalls: calls }) };
  }

  #writer(stop: readonly string[]): TextWriter {
    const { tokenizer } = this.open;
    return new TextWriter(tokenizer, new StopStrings(tokenizer, stop), this.reading.shown);
  }
}

async function read(
  writer: TextWriter,
  reader: AnswerReader,
  piece: { readonly tokens: readonly number[]; readonly finish: Finish | undefined },
) {
  const more = reader.put(await writer.write(piece));
  const rest = piece.finish === undefined ? { text: "", calls: [] } : reader.end();
  return { text: more.text + rest.text, toolCalls: [...more.calls, ...rest.calls] };
}

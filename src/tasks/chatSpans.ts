/** The characters of a rendered conversation that the loss is computed on. */

import {
  asConversation,
  type ChatTemplate,
  ChatTemplateError,
  type Conversation,
  type Message,
  type RenderedChat,
  type RenderOptions,
  type TextTokens,
  type Tokenizer,
  upTo,
} from "../text/index.js";
import type { Location } from "./data/example.js";
import { rowError } from "./data/files/textFile.js";

/** A range of characters, without the last, in UTF-16 units. */
type Span = readonly [from: number, to: number];

/** A text, and the characters that the loss is computed on: all, none, or those of these spans. */
export interface MarkedText {
  readonly text: string;
  readonly loss: boolean | readonly Span[];
}

/** Renders conversations with a tokenizer's chat template; errors name the example. */
export class ChatRenderer {
  /** The same date in all examples, for templates that write it. */
  private readonly now = new Date();

  constructor(private readonly tokenizer: Tokenizer) {}

  /** @throws BidoraError naming an example that the template refuses, or whose tools it ignores */
  render(given: Conversation | readonly Message[], addGenerationPrompt: boolean, at: Location): RenderedChat {
    const conversation = asConversation(given);
    return this.rendered(conversation, at, (template, options) =>
      template.renderWhole(conversation, { ...options, addGenerationPrompt }),
    );
  }

  whole(conversation: Conversation, at: Location): MarkedText {
    const { text } = this.render(conversation, false, at);
    return { text, loss: [[0, text.length]] };
  }

  /** The assistant's messages with their end marks: as the template marks them, else what each message adds to the text. */
  assistant(conversation: Conversation, at: Location): MarkedText {
    const { text, spoken } = this.render(conversation, false, at);
    if (spoken) return { text, loss: spoken };
    const turns = conversation.messages.flatMap(({ role }, i) => (role === "assistant" ? [i] : []));
    return { text, loss: turns.map((turn) => this.turn(conversation, turn, text, at)) };
  }

  /** The text after the first `prompt` messages. */
  after(conversation: Conversation, prompt: number, at: Location): MarkedText {
    const { text } = this.render(conversation, false, at);
    const before = this.start(conversation, prompt, true, at);
    if (text.startsWith(before)) return { text, loss: [[before.length, text.length]] };
    throw noPrefix(at, prompt);
  }

  private turn(conversation: Conversation, turn: number, text: string, at: Location): Span {
    // A conversation may begin with an answer: before it is only what the template itself writes.
    const before = turn === 0 ? "" : this.start(conversation, turn, true, at);
    const past = this.start(conversation, turn + 1, false, at);
    if (turn > 0 && past.startsWith(before) && text.startsWith(past)) return [before.length, past.length];
    throw noPrefix(at, turn);
  }

  /** The text of the first messages of a conversation. */
  private start(given: Conversation, messages: number, addGenerationPrompt: boolean, at: Location): string {
    const first = upTo(given, messages);
    return this.rendered(first, at, (template, options) => template.render(first, { ...options, addGenerationPrompt }))
      .text;
  }

  private rendered(
    { tools }: Conversation,
    at: Location,
    render: (template: ChatTemplate, options: RenderOptions) => RenderedChat,
  ): RenderedChat {
    const template = this.tokenizer.chatTemplate(Boolean(tools?.length));
    try {
      return render(template, { now: this.now });
    } catch (error) {
      if (!(error instanceof ChatTemplateError)) throw error;
      throw rowError(at.file, at.line, `the chat template cannot render the conversation: ${error.fault}.`);
    }
  }
}

function noPrefix({ file, line }: Location, turn: number): Error {
  return rowError(
    file,
    line,
    `can't locate the answer messages[${turn}]: the chat template renders the messages before it differently once more ` +
      "follow. Use a template with {% generation %}, or split the conversation into one row per answer.",
  );
}

/** Converts spans from UTF-16 units to code points, as tokenizers count. Spans must be in order. */
export function codePointSpans(text: string, spans: readonly Span[]): Span[] {
  let [units, points] = [0, 0];
  const pointsAt = (place: number): number => {
    for (; units < place; points++) units += (text.codePointAt(units) as number) > 0xffff ? 2 : 1;
    return points;
  };
  return spans.map(([from, to]) => [pointsAt(from), pointsAt(to)]);
}

/** Whether each token contains a character of a span: transformers' rule for the assistant mask. */
export function lossMask(offsets: TextTokens["offsets"], spans: readonly Span[]): boolean[] {
  let next = 0;
  return offsets.map(([from, to]) => {
    while (next < spans.length && from >= (spans[next] as Span)[1]) next++;
    return next < spans.length && to > (spans[next] as Span)[0];
  });
}

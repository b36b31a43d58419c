/** The characters of a rendered conversation that the loss is computed on. */

import { ChatTemplateError, type Message, type RenderedChat, type TextTokens, type Tokenizer } from "../text/index.js";
import type { Location } from "./data/example.js";
import { rowError } from "./data/textFile.js";

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

  /** @throws BidoraError naming an example that the template refuses */
  render(messages: readonly Message[], addGenerationPrompt: boolean, at: Location): RenderedChat {
    const template = this.tokenizer.chatTemplate();
    try {
      return template.render(messages, { addGenerationPrompt, now: this.now });
    } catch (error) {
      if (!(error instanceof ChatTemplateError)) throw error;
      throw rowError(at.file, at.line, `the chat template cannot render the conversation: ${error.fault}.`);
    }
  }

  whole(messages: readonly Message[], at: Location): MarkedText {
    const { text } = this.render(messages, false, at);
    return { text, loss: [[0, text.length]] };
  }

  /** The assistant's messages with their end marks: as the template marks them, else what each message adds to the text. */
  assistant(messages: readonly Message[], at: Location): MarkedText {
    const { text, spoken } = this.render(messages, false, at);
    if (spoken) return { text, loss: spoken };
    const turns = messages.flatMap(({ role }, i) => (role === "assistant" ? [i] : []));
    return { text, loss: turns.map((turn) => this.turn(messages, turn, text, at)) };
  }

  /** The text after the first `prompt` messages. */
  after(messages: readonly Message[], prompt: number, at: Location): MarkedText {
    const { text } = this.render(messages, false, at);
    const before = this.render(messages.slice(0, prompt), true, at).text;
    if (text.startsWith(before)) return { text, loss: [[before.length, text.length]] };
    throw noPrefix(at, prompt);
  }

  private turn(messages: readonly Message[], turn: number, text: string, at: Location): Span {
    // A conversation may begin with an answer: before it is only what the template itself writes.
    const before = turn === 0 ? "" : this.render(messages.slice(0, turn), true, at).text;
    const past = this.render(messages.slice(0, turn + 1), false, at).text;
    if (turn > 0 && past.startsWith(before) && text.startsWith(past)) return [before.length, past.length];
    throw noPrefix(at, turn);
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

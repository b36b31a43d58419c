import type { Location } from "../data/example.js";
import { rowError } from "../data/textFile.js";
import { ChatTemplateError, type Message, type RenderedChat, type TextTokens, type Tokenizer } from "../text/index.js";

/** Characters of a text, from one to before another, in UTF-16 units. */
type Span = readonly [from: number, to: number];

/** A text, and the characters that the loss is computed on: all, none, or those of these spans. */
export interface MarkedText {
  readonly text: string;
  readonly loss: boolean | readonly Span[];
}

/** Renders conversations of one tokenizer; what goes wrong names the row. */
export class ChatRenderer {
  /** Templates that write the day take the same one for all rows. */
  private readonly now = new Date();

  constructor(private readonly tokenizer: Tokenizer) {}

  /** @throws BidoraError naming the row that the template does not take */
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

  /** What the assistant said and the end mark after it: as the template marks it, else what each of its turns adds. */
  assistant(messages: readonly Message[], at: Location): MarkedText {
    const { text, spoken } = this.render(messages, false, at);
    if (spoken) return { text, loss: spoken };
    const turns = messages.flatMap(({ role }, i) => (role === "assistant" ? [i] : []));
    return { text, loss: turns.map((turn) => this.turn(messages, turn, text, at)) };
  }

  /** What comes after a prompt. */
  after(messages: readonly Message[], prompt: number, at: Location): MarkedText {
    const { text } = this.render(messages, false, at);
    const before = this.render(messages.slice(0, prompt), true, at).text;
    if (text.startsWith(before)) return { text, loss: [[before.length, text.length]] };
    throw noPrefix(at, prompt);
  }

  private turn(messages: readonly Message[], turn: number, text: string, at: Location): Span {
    // A conversation may begin with an answer: what stands before it is what the template writes by itself.
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
    `the chat template does not say where answer messages[${turn}] stands: it writes what came before it otherwise once more ` +
      "follows. Take a template with {% generation %}, or split the conversation, one row an answer.",
  );
}

/** Spans counted in code points, as tokenizers count, from spans in UTF-16 units; in the text's order. */
export function codePointSpans(text: string, spans: readonly Span[]): Span[] {
  let [units, points] = [0, 0];
  const pointsAt = (place: number): number => {
    for (; units < place; points++) units += (text.codePointAt(units) as number) > 0xffff ? 2 : 1;
    return points;
  };
  return spans.map(([from, to]) => [pointsAt(from), pointsAt(to)]);
}

/** Whether each token has a character of a span: transformers' rule for what the assistant said. */
export function marksOf(offsets: TextTokens["offsets"], spans: readonly Span[]): boolean[] {
  let next = 0;
  return offsets.map(([from, to]) => {
    while (next < spans.length && from >= (spans[next] as Span)[1]) next++;
    return next < spans.length && to > (spans[next] as Span)[0];
  });
}

/** Responses of `/v1/chat/completions`. */
import type { TokenBytes } from "../../../text/index.js";
import { wholeCalls } from "../../toolCalls/callReading.js";
import type { AnswerReader, CallPiece, ReadPiece } from "../../toolCalls/format.js";
import type { ChoicePiece } from "../choices.js";
import { type Answered, ResponseForm, reasonOf } from "./common.js";
import { chatLogprobs } from "./tokens.js";

const WORDS = { prefix: "chatcmpl", whole: "chat.completion", event: "chat.completion.chunk" };

/** A choice of a stream: its reader, if it may call tools, and whether it has. */
interface Streamed {
  readonly reader: AnswerReader | undefined;
  hasCalls: boolean;
}

export class ChatForm extends ResponseForm {
  /** By index. */
  readonly #streamed = new Map<number, Streamed>();

  /** @param newReader of an answer that may call tools */
  constructor(
    answered: Answered,
    private readonly bytes: TokenBytes,
    private readonly newReader?: () => AnswerReader,
  ) {
    super(WORDS, answered);
  }

  *choices(pieces: ReadonlyMap<number, readonly ChoicePiece[]>): Iterable<object> {
    for (let index = 0; index < this.answered.n; index++) {
      const own = pieces.get(index) ?? [];
      const { text, calls } = this.#read(own.map((piece) => piece.text).join(""));
      const hasCalls = calls.length > 0;
      yield {
        index,
        message: {
          role: "assistant",
          content: hasCalls && text === "" ? null : text,
          refusal: null,
          ...(hasCalls && { tool_calls: wholeCalls(calls) }),
        },
        logprobs: this.#logprobs(own),
        finish_reason: reasonWith(hasCalls, own.at(-1)),
      };
    }
  }

  opening(): readonly object[] {
    const delta = { role: "assistant", content: "" };
    return Array.from({ length: this.answered.n }, (_, index) =>
      this.event({ index, delta, logprobs: null, finish_reason: null }),
    );
  }

  events(piece: ChoicePiece): readonly object[] {
    const { index, tokens, finish } = piece;
    const choice = this.#choice(index);
    const { text, calls } = readPiece(choice.reader, piece);
    choice.hasCalls ||= calls.length > 0;
    const isShown = text !== "" || (this.answered.logprobs && tokens.length > 0);
    const logprobs = this.#logprobs([piece]);
    return [
      ...(isShown ? [this.event({ index, delta: { content: text }, logprobs, finish_reason: null })] : []),
      ...calls.map((call) => this.event({ index, delta: callDelta(call), logprobs: null, finish_reason: null })),
      ...(finish
        ? [this.event({ index, delta: {}, logprobs: null, finish_reason: reasonWith(choice.hasCalls, piece) })]
        : []),
    ];
  }

  #choice(index: number): Streamed {
    const known = this.#streamed.get(index) ?? { reader: this.newReader?.(), hasCalls: false };
    this.#streamed.set(index, known);
    return known;
  }

  /** A whole answer. */
  #read(text: string): ReadPiece {
    const reader = this.newReader?.();
    if (!reader) return { text, calls: [] };
    const [most, rest] = [reader.put(text), reader.end()];
    return { text: most.text + rest.text, calls: [...most.calls, ...rest.calls] };
  }

  #logprobs(pieces: readonly ChoicePiece[]): object | null {
    if (!this.answered.logprobs) return null;
    return chatLogprobs(
      pieces.flatMap(({ logprobs }) => logprobs),
      this.bytes,
    );
  }
}

function readPiece(reader: AnswerReader | undefined, { text, finish }: ChoicePiece): ReadPiece {
  if (!reader) return { text, calls: [] };
  const more = reader.put(text);
  const rest = finish ? reader.end() : { text: "", calls: [] };
  return { text: more.text + rest.text, calls: [...more.calls, ...rest.calls] };
}

/** The id and the name come first, then the arguments. */
function callDelta({ index, id, name, arguments: more }: CallPiece): object {
  const begins = name !== undefined && { id, type: "function" };
  return { tool_calls: [{ index, ...begins, function: { ...(begins && { name }), arguments: more } }] };
}

/** An answer that ends with calls ends for them, unless it is cut off. */
function reasonWith(hasCalls: boolean, last: ChoicePiece | undefined): string | null {
  const reason = reasonOf(last?.finish);
  return hasCalls && reason === "stop" ? "tool_calls" : reason;
}

/** Responses of `/v1/chat/completions`. */
import type { TokenBytes } from "../../../text/index.js";
import type { ChoicePiece } from "../choices.js";
import { type Answered, ResponseForm, reasonOf } from "./common.js";
import { chatLogprobs } from "./tokens.js";

const WORDS = { prefix: "chatcmpl", whole: "chat.completion", event: "chat.completion.chunk" };

export class ChatForm extends ResponseForm {
  constructor(
    answered: Answered,
    private readonly bytes: TokenBytes,
  ) {
    super(WORDS, answered);
  }

  *choices(pieces: ReadonlyMap<number, readonly ChoicePiece[]>): Iterable<object> {
    for (let index = 0; index < this.answered.n; index++) {
      const own = pieces.get(index) ?? [];
      yield {
        index,
        message: { role: "assistant", content: own.map(({ text }) => text).join(""), refusal: null },
        logprobs: this.#logprobs(own),
        finish_reason: reasonOf(own.at(-1)?.finish),
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
    const { index, text, tokens, finish } = piece;
    const isShown = text !== "" || (this.answered.logprobs && tokens.length > 0);
    const logprobs = this.#logprobs([piece]);
    return [
      ...(isShown ? [this.event({ index, delta: { content: text }, logprobs, finish_reason: null })] : []),
      ...(finish ? [this.event({ index, delta: {}, logprobs: null, finish_reason: reasonOf(finish) })] : []),
    ];
  }

  #logprobs(pieces: readonly ChoicePiece[]): object | null {
    if (!this.answered.logprobs) return null;
    return chatLogprobs(
      pieces.flatMap(({ logprobs }) => logprobs),
      this.bytes,
    );
  }
}

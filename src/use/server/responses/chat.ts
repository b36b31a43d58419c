/** Responses of `/v1/chat/completions`. */
import type { TokenBytes } from "../../../text/index.js";
import type { ChoicePiece } from "../choices.js";
import { type Answered, newHead, type ResponseForm, type ResponseHead, reasonOf, type Usage } from "./common.js";
import { chatLogprobs } from "./tokens.js";

interface ChatOptions extends Answered {
  readonly n: number;
  readonly logprobs: boolean;
  readonly includesUsage: boolean;
}

export class ChatForm implements ResponseForm {
  readonly #head: ResponseHead;

  constructor(
    private readonly options: ChatOptions,
    private readonly bytes: TokenBytes,
  ) {
    this.#head = newHead("chatcmpl", options);
  }

  get frame(): object {
    return { ...this.#head, object: "chat.completion" };
  }

  *choices(pieces: ReadonlyMap<number, readonly ChoicePiece[]>): Iterable<object> {
    for (let index = 0; index < this.options.n; index++) {
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
    return Array.from({ length: this.options.n }, (_, index) =>
      this.#event({ index, delta, logprobs: null, finish_reason: null }),
    );
  }

  events(piece: ChoicePiece): readonly object[] {
    const { index, text, tokens, finish } = piece;
    const isShown = text !== "" || (this.options.logprobs && tokens.length > 0);
    const logprobs = this.#logprobs([piece]);
    return [
      ...(isShown ? [this.#event({ index, delta: { content: text }, logprobs, finish_reason: null })] : []),
      ...(finish ? [this.#event({ index, delta: {}, logprobs: null, finish_reason: reasonOf(finish) })] : []),
    ];
  }

  closing(usage: Usage): object {
    return { ...this.#event(), usage: usage.json };
  }

  #event(...choices: readonly object[]): object {
    const usage = this.options.includesUsage ? { usage: null } : {};
    return { ...this.#head, object: "chat.completion.chunk", choices, ...usage };
  }

  #logprobs(pieces: readonly ChoicePiece[]): object | null {
    if (!this.options.logprobs) return null;
    return chatLogprobs(
      pieces.flatMap(({ logprobs }) => logprobs),
      this.bytes,
    );
  }
}

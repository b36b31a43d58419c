/** What all responses have in common. */
import { randomUUID } from "node:crypto";
import type { Finish } from "../../../models/generation/index.js";
import type { ChoicePiece } from "../choices.js";

/** What answers a request. */
export interface Answered {
  readonly model: string;
  /** Undefined without sampling. */
  readonly seed: number | undefined;
}

/** A response's own facts. */
export interface ResponseHead {
  readonly id: string;
  /** In seconds since 1970. */
  readonly created: number;
  readonly model: string;
  /** Of sampling: where OpenAI's stored completions have theirs. */
  readonly seed?: number;
}

export const newHead = (prefix: string, { model, seed }: Answered): ResponseHead => ({
  id: `${prefix}-${randomUUID().replaceAll("-", "")}`,
  created: Math.floor(Date.now() / 1000),
  model,
  ...(seed !== undefined && { seed }),
});

/** OpenAI's word for why a choice ended; null while it continues. */
export const reasonOf = (finish: Finish | undefined): "stop" | "length" | null =>
  finish === undefined ? null : finish === "length" ? "length" : "stop";

/** The numbers of tokens of a request. */
export class Usage {
  #completion = 0;

  constructor(private readonly prompt: number) {}

  count({ tokens }: Pick<ChoicePiece, "tokens">): void {
    this.#completion += tokens.length;
  }

  get json() {
    const [prompt_tokens, completion_tokens] = [this.prompt, this.#completion];
    return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
  }
}

/** How the choices of a request become a response. */
export interface ResponseForm {
  /** The whole response but for its choices and usage. */
  readonly frame: object;
  /** The choices of the whole response. @param pieces of each choice */
  choices(pieces: ReadonlyMap<number, readonly ChoicePiece[]>): Iterable<object>;
  /** The events before the first piece. */
  opening(): readonly object[];
  /** The events of a piece. */
  events(piece: ChoicePiece): readonly object[];
  /** The event with the usage, after the last piece. */
  closing(usage: Usage): object;
}

/** What all responses have in common. */
import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Finish } from "../../../models/generation/index.js";
import type { ChoicePiece } from "../choices.js";

/** What answers a request, and what the request wants of the response. */
export interface Answered {
  readonly model: string;
  /** Of sampling; undefined without. */
  readonly seed: number | undefined;
  /** The number of choices of each prompt. */
  readonly n: number;
  readonly logprobs: boolean;
  readonly includesUsage: boolean;
}

/** A route's words. */
interface Words {
  /** Of its ids. */
  readonly prefix: string;
  /** The `object` of a whole response, and of an event. */
  readonly whole: string;
  readonly event: string;
}

/** How the choices of a request become a response. */
export abstract class ResponseForm {
  readonly #head: object;

  constructor(
    private readonly words: Words,
    protected readonly answered: Answered,
  ) {
    const { model, seed } = answered;
    this.#head = {
      id: `${words.prefix}-${randomUUID().replaceAll("-", "")}`,
      created: Math.floor(Date.now() / 1000),
      model,
      ...(seed !== undefined && { seed }), // where OpenAI's stored completions have theirs
    };
  }

  /** The whole response but for its choices and usage. */
  get frame(): object {
    return { ...this.#head, object: this.words.whole };
  }

  /** The choices of the whole response. @param pieces of each choice */
  abstract choices(pieces: ReadonlyMap<number, readonly ChoicePiece[]>): Iterable<object>;

  abstract opening(): readonly object[];

  abstract events(piece: ChoicePiece): readonly object[];

  /** The event with the usage, after the last piece. */
  closing(usage: Usage): object {
    return { ...this.event(), usage: usage.json };
  }

  protected event(...choices: readonly object[]): object {
    const usage = this.answered.includesUsage ? { usage: null } : {};
    return { ...this.#head, object: this.words.event, choices, ...usage };
  }
}

/** OpenAI's word for why a choice ended; null while it continues. */
export const reasonOf = (finish: Finish | undefined): "stop" | "length" | null =>
  finish === undefined ? null : finish === "length" ? "length" : "stop";

/** The numbers of tokens of a request. */
export class Usage {
  #completion = 0;

  constructor(private readonly prompt: number) {}

  /** The same pieces, whose tokens count. */
  async *counted(pieces: AsyncIterable<ChoicePiece>): AsyncGenerator<ChoicePiece> {
    for await (const piece of pieces) {
      this.#completion += piece.tokens.length;
      yield piece;
    }
  }

  get json() {
    const [prompt_tokens, completion_tokens] = [this.prompt, this.#completion];
    return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
  }
}

/**
 * A response as JSON. Other requests have their turn between the entries of its list.
 * @param response with the list empty @param list its name
 */
export async function jsonInParts(response: object, list: string, entries: Iterable<object>): Promise<string> {
  const written: string[] = [];
  for (const entry of entries) {
    written.push(JSON.stringify(entry));
    await nextTurn();
  }
  const name = JSON.stringify(list);
  const [before, after] = JSON.stringify(response).split(`${name}:[]`);
  return `${before}${name}:[${written.join(",")}]${after}`;
}

/** Answers to the questions of pages, which are kept: a page that is opened again needs no model. */
import { prune } from "../kept.js";
import type { Answerer } from "./answerer.js";
import type { Piece, Question } from "./protocol.js";

/** How far an answer is. */
export interface Answer {
  readonly isRunning: boolean;
  /** So far. */
  readonly pieces: readonly Piece[];
  /** Why there is none. */
  readonly problem: string | undefined;
}

/** How many are kept. */
const MOST = 100;

export class Answers {
  readonly #all = new Map<string, Answer>();

  /** @param onChange is called when an answer goes on */
  constructor(
    private readonly answerer: Answerer,
    private readonly onChange: () => void,
  ) {}

  /** The answer so far; a question that is new is asked. */
  to(question: Question): Answer {
    const key = JSON.stringify(question);
    const known = this.#all.get(key);
    if (known) return known;
    const answer: Answer = { isRunning: true, pieces: [], problem: undefined };
    this.#all.set(key, answer);
    prune(this.#all, MOST);
    void this.#ask(key, question);
    return answer;
  }

  /** Forgets failures: what has failed is asked again. */
  retry(): void {
    for (const [key, { problem, pieces }] of this.#all)
      if (problem !== undefined || pieces.some((piece) => "error" in piece)) this.#all.delete(key);
  }

  async #ask(key: string, question: Question): Promise<void> {
    const pieces: Piece[] = [];
    const set = (change: Partial<Answer>) => {
      if (this.#all.has(key))
        this.#all.set(key, { isRunning: true, pieces: [...pieces], problem: undefined, ...change });
      this.onChange();
    };
    const onPiece = (piece: Piece) => {
      pieces.push(piece);
      set({});
    };
    await this.answerer.ask(question, { onPiece }).then(
      () => set({ isRunning: false }),
      (error: Error) => set({ isRunning: false, problem: error.message }),
    );
  }
}

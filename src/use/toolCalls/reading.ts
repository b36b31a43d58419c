/** Reading answers that have text, then a mark, then calls. */
import type { AnswerReader, CallNames, CallPiece, ReadPiece } from "./format.js";

/** What a stretch of calls has given so far. */
export interface StretchStep {
  /** Of calls whose names are known. */
  readonly begun?: string;
  readonly arguments?: string;
  /** How many characters of the text were read. */
  readonly used: number;
  /** `more`: it needs more text; `over`: the stretch has ended; `wrong`: it is no call. Undefined: go on. */
  readonly state?: "more" | "over" | "wrong";
}

/** Reads the calls after one mark. */
export interface CallStretch {
  /** @param text not read yet @param isEnd whether nothing more comes */
  step(text: string, isEnd: boolean): StretchStep;
}

/** After so many marks without a call, marks are text: each makes the reader look at what follows again. */
const MOST_WRONG = 64;

/** Passes text on, and reads calls after each mark. What turns out to be no call is text. */
export class MarkedReader implements AnswerReader {
  #held = "";
  #stretch: CallStretch | undefined;
  /** What has been read of a stretch that has no call yet. */
  #unsure = "";
  /** White space after text, which is left out between text and calls. */
  #space = "";
  #count = 0;
  #wrong = 0;

  /** @param marks each begins calls @param newStretch after a mark */
  constructor(
    private readonly names: CallNames,
    private readonly marks: readonly string[],
    private readonly newStretch: (mark: string) => CallStretch,
  ) {}

  put(text: string): ReadPiece {
    return this.#read(text, false);
  }

  end(): ReadPiece {
    return this.#read("", true);
  }

  #read(text: string, isEnd: boolean): ReadPiece {
    this.#held += text;
    const read = { text: "", calls: [] as CallPiece[] };
    while (this.#stretch ? this.#inStretch(read, isEnd) : this.#inText(read, isEnd));
    return read;
  }

  /** @returns whether calls begin */
  #inText(read: { text: string }, isEnd: boolean): boolean {
    const found = this.#wrong < MOST_WRONG ? firstOf(this.#held, this.marks) : undefined;
    const end = found?.at ?? this.#held.length - (isEnd ? 0 : partialMark(this.#held, this.marks));
    const text = this.#space + this.#held.slice(0, end);
    const shown = text.trimEnd();
    this.#space = text.slice(shown.length);
    read.text += shown;
    this.#held = this.#held.slice(end + (found?.mark.length ?? 0));
    if (isEnd && !found && this.#count === 0) read.text += this.#space;
    if (!found) return false;
    this.#stretch = this.newStretch(found.mark);
    this.#unsure = this.#space + found.mark;
    this.#space = "";
    return true;
  }

  /** @returns whether to go on */
  #inStretch(read: { text: string; calls: CallPiece[] }, isEnd: boolean): boolean {
    const step = (this.#stretch as CallStretch).step(this.#held, isEnd);
    const isWrong = step.state === "wrong" || (step.begun !== undefined && !this.names.isTool(step.begun));
    if (isWrong) return this.#giveUp(read);
    if (step.begun !== undefined) {
      read.calls.push({ index: this.#count++, id: this.names.newId(), name: step.begun, arguments: "" });
      this.#unsure = "";
    } else if (this.#unsure !== "") this.#unsure += this.#held.slice(0, step.used);
    if (step.arguments) read.calls.push({ index: this.#count - 1, arguments: step.arguments });
    this.#held = this.#held.slice(step.used);
    if (step.state === "over") this.#stretch = undefined;
    if (isEnd && step.state === "more" && this.#unsure !== "") return this.#giveUp(read);
    return step.state === "over" || step.state === undefined;
  }

  #giveUp(read: { text: string }): boolean {
    read.text += this.#unsure;
    this.#unsure = "";
    this.#stretch = undefined;
    this.#wrong++;
    return true;
  }
}

function firstOf(text: string, marks: readonly string[]): { mark: string; at: number } | undefined {
  const found = marks.map((mark) => ({ mark, at: text.indexOf(mark) })).filter(({ at }) => at >= 0);
  return found.sort((a, b) => a.at - b.at)[0];
}

/** The length of the text's end that may be the beginning of a mark. */
export function partialMark(text: string, marks: readonly string[]): number {
  const longest = Math.max(0, ...marks.map(({ length }) => length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--)
    if (marks.some((mark) => mark.startsWith(text.slice(-length)))) return length;
  return 0;
}

/** Where JSON objects end, character by character. */
export class ObjectEnd {
  #depth = 0;
  #isInText = false;
  #isEscaped = false;

  /** @returns the index after the object's end, or undefined if it goes on. The first character is its brace, at the first call. */
  in(text: string, from = 0): number | undefined {
    for (let at = from; at < text.length; at++) {
      const character = text[at];
      if (this.#isEscaped) this.#isEscaped = false;
      else if (this.#isInText) {
        if (character === "\\") this.#isEscaped = true;
        else if (character === '"') this.#isInText = false;
      } else if (character === '"') this.#isInText = true;
      else if (character === "{" || character === "[") this.#depth++;
      else if (character === "}" || character === "]") this.#depth--;
      if (this.#depth === 0) return at + 1;
    }
    return undefined;
  }
}

/** How models write calls of tools, and how calls are read while they come. */

/** A part of a call: the id and the name first, then the arguments in pieces. */
export interface CallPiece {
  /** The call's number in the answer, from 0. */
  readonly index: number;
  readonly id?: string;
  readonly name?: string;
  /** More of the arguments' JSON, as the model writes it. */
  readonly arguments: string;
}

/** What more of an answer says: text, and parts of calls. */
export interface ReadPiece {
  readonly text: string;
  readonly calls: readonly CallPiece[];
}

/** Reads one answer, piece by piece. */
export interface AnswerReader {
  put(text: string): ReadPiece;
  /** The rest, once the answer has ended. */
  end(): ReadPiece;
}

/**
 * How a call is written around its arguments, which are JSON: `open`, `head` and the arguments; then `tail` and `close`, or `tail`,
 * `separator`, `head` and the arguments of a further call.
 */
export interface CallWriting {
  readonly open: string;
  head(name: string): string;
  readonly tail: string;
  /** Undefined if an answer has one call. */
  readonly separator: string | undefined;
  readonly close: string;
}

/** Which tools an answer may call, and the ids of the calls. */
export interface CallNames {
  isTool(name: string): boolean;
  newId(): string;
}

/** A form in which models write calls. */
export interface CallFormat {
  /** Whether a model with this chat template writes calls so. */
  isOf(template: string): boolean;
  /** Texts that are special tokens in some vocabularies, and must be seen to read calls. */
  readonly marks: readonly string[];
  /** Undefined for a form whose arguments are not JSON, which no grammar enforces. */
  writing(template: string): CallWriting | undefined;
  reader(names: CallNames): AnswerReader;
  /** The id of a new call; by default OpenAI's form. */
  newId?(): string;
}

import { oneLine, shortened, withShownPaths } from "./messages.js";

/** The most characters of a message, which may name what a file holds. */
const MOST_CHARACTERS = 2000;

/** What an error's message is composed of. */
export interface ErrorParts {
  /** What was found: a sentence, or its beginning if there is advice. */
  readonly finding: string;
  /** What to do about it. */
  readonly advice?: string | undefined;
  /** What stands between the two; a colon by default. */
  readonly joint?: ":" | ";" | undefined;
}

/**
 * An error whose message is meant for the user: one sentence, on one line, that says what was expected, what was given and what to do.
 * The command line prints only the message and exits with `exitStatus`.
 */
export class BidoraError extends Error {
  override readonly name: string = "BidoraError";
  readonly exitStatus: 1 | 2 = 1;
  #parts: ErrorParts;

  constructor(
    readonly code: string,
    message: string | ErrorParts,
    options?: ErrorOptions,
  ) {
    const parts = typeof message === "string" ? { finding: message } : message;
    super(messageOf(parts), options);
    this.#parts = parts;
  }

  /** The parts of the message, for an error that takes this one's place. */
  get parts(): ErrorParts {
    return this.#parts;
  }

  /** Puts what the error is about in front of its message: `Step 3: …`. */
  prefix(text: string): void {
    this.#parts = { ...this.#parts, finding: `${text}${this.#parts.finding}` };
    this.message = messageOf(this.#parts);
  }
}

function messageOf({ finding, advice, joint = ":" }: ErrorParts): string {
  const message = advice === undefined ? finding : `${withoutStop(finding)}${joint} ${advice}.`;
  return shortened(oneLine(withShownPaths(message)), MOST_CHARACTERS);
}

const withoutStop = (text: string): string => (text.endsWith(".") ? text.slice(0, -1) : text);

/** Wrong usage, such as an unknown flag, a value out of range or conflicting options. Exit status 2. */
export class UsageError extends BidoraError {
  override readonly name = "UsageError";
  override readonly exitStatus = 2;

  constructor(message: string, options?: ErrorOptions) {
    super("USAGE", message, options);
  }
}

const shownElsewhere = new WeakSet<object>();

/** Records that another process prints this error on the same terminal. */
export const showElsewhere = (error: object): void => void shownElsewhere.add(error);

/** Whether another process prints this error. */
export const isShownElsewhere = (error: unknown): boolean => shownElsewhere.has(error as object);

/** Puts what is computed for in front of the message of a BidoraError: `chat: …`. */
export function named<T>(name: string, compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    if (error instanceof BidoraError) error.prefix(`${name}: `);
    throw error;
  }
}

/** Exit status of a command that was interrupted, as shells count it: 128 + SIGINT. */
export const INTERRUPTED = 130;

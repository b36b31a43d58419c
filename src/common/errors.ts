import { oneLine, shortened, withShownPaths } from "./messages.js";

/** The most characters of a message, which may name what a file holds. */
const MOST_CHARACTERS = 2000;

/**
 * An error whose message is meant for the user: one sentence, on one line, that says what was expected, what was given and what to do.
 * The command line prints only the message and exits with `exitStatus`.
 */
export class BidoraError extends Error {
  override readonly name: string = "BidoraError";
  readonly exitStatus: 1 | 2 = 1;

  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(shortened(oneLine(withShownPaths(message)), MOST_CHARACTERS), options);
  }
}

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

/** Puts what is computed for in front of the message of a BidoraError: `chat: …`. @throws BidoraError with the same code and status */
export function named<T>(name: string, compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    if (!(error instanceof BidoraError)) throw error;
    const message = `${name}: ${error.message}`;
    if (error instanceof UsageError) throw new UsageError(message, { cause: error });
    throw new BidoraError(error.code, message, { cause: error });
  }
}

/** Exit status of a command that was interrupted, as shells count it: 128 + SIGINT. */
export const INTERRUPTED = 130;

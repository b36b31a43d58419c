import { type Context, createContext, Script } from "node:vm";
import { BidoraError } from "./errors.js";

/** Milliseconds that one expression may take, over all paths together. */
const LIMIT = 1000;

const FIND = new Script("(new RegExp(source, 'u').exec(path) ?? { groups: undefined, 0: undefined })");

/** A regular expression of JavaScript's own engine, which backtracks without end on some: it is stopped after a limit. */
export class BoundedRegExp {
  static #context: Context | undefined;
  readonly #source: string;
  #left = LIMIT;

  /** @throws BidoraError `PATTERN` when it cannot be read */
  constructor(readonly expression: string) {
    this.#source = expression.replaceAll("(?P<", "(?<");
    try {
      new RegExp(this.#source, "u");
    } catch (error) {
      const [, why] = /: ([^:]*)$/.exec((error as Error).message) ?? [];
      throw new BidoraError(
        "PATTERN",
        `The pattern ${shownPattern(expression)} for module paths cannot be read: ${why}.`,
        {
          cause: error,
        },
      );
    }
  }

  matches(path: string): boolean {
    return this.#find(`^(?:${this.#source})$`, path)[0] !== undefined;
  }

  group(path: string, name: string): string | undefined {
    return this.#find(this.#source, path).groups?.[name];
  }

  #find(source: string, path: string): RegExpExecArray {
    BoundedRegExp.#context ??= createContext({});
    Object.assign(BoundedRegExp.#context, { source, path });
    const began = performance.now();
    try {
      return FIND.runInContext(BoundedRegExp.#context, { timeout: Math.max(1, Math.ceil(this.#left)) });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
      throw new BidoraError(
        "PATTERN",
        `The pattern ${shownPattern(this.expression)} for module paths takes too long: write it without look-ahead and back-references.`,
      );
    } finally {
      this.#left -= performance.now() - began;
    }
  }
}

/** A pattern in a message, cut where it is long. */
export function shownPattern(expression: string): string {
  return JSON.stringify(expression.length > 80 ? `${expression.slice(0, 79)}…` : expression);
}

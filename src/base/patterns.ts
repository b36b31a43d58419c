// Regular expressions over module paths, as PEFT uses them, with bounded running time.

import { type Context, createContext, Script } from "node:vm";
import type { RE2JS } from "re2js";
import { own } from "./collections.js";
import { BidoraError } from "./errors.js";
import { re2 } from "./require.js";

/** What is needed of a regular expression, whichever engine runs it. */
interface Matching {
  /** As Python's `re.fullmatch`. */
  matches(path: string): boolean;
  /** The text of a named group in the first match, or undefined. */
  group(path: string, name: string): string | undefined;
}

/** Limit on the states of an expression's automaton, which bounds the work for each character of a path. */
const MOST_STATES = 20_000;

const compiled = new Map<string, Matching>();

/** Whether the regular expression matches all of `path`, as Python's `re.fullmatch`. */
export function fullMatch(expression: string, path: string): boolean {
  return compile(expression).matches(path);
}

/** The text of a named group in the first match within `path`, or undefined. */
export function groupAt(expression: string, path: string, name: string): string | undefined {
  return compile(expression).group(path, name);
}

/** Whether this is a valid regular expression. */
export function isPattern(expression: string): boolean {
  try {
    return compile(expression) !== undefined;
  } catch {
    return false;
  }
}

/**
 * Compiles a regular expression in Python's syntax, as in PEFT's files. RE2 runs it in time linear in the path; what RE2 does not
 * support (look-ahead, back-references) runs in JavaScript's engine with a time limit.
 * @throws BidoraError `PATTERN` if it is not a valid expression
 */
function compile(expression: string): Matching {
  const known = compiled.get(expression);
  if (known) return known;
  const fresh = linear(expression) ?? new BoundedRegExp(expression);
  compiled.set(expression, fresh);
  return fresh;
}

/** Undefined for an expression that RE2 does not support. */
function linear(expression: string): Matching | undefined {
  const found = readLinear(expression);
  if (found === undefined) return undefined;
  if (found.programSize() > MOST_STATES) throw tooLarge(expression);
  return {
    matches: (path) => found.matches(path),
    group: (path, name) => {
      const matcher = found.matcher(path);
      return hasGroup(found, name) && matcher.find() ? (matcher.group(name) ?? undefined) : undefined;
    },
  };
}

/** A pattern that ends in the middle of a quotation takes the group that follows it for text. */
const hasGroup = (found: RE2JS, name: string): boolean => own(found.namedGroups(), name) !== undefined;

function readLinear(expression: string): RE2JS | undefined {
  try {
    return re2().RE2JS.compile(expression);
  } catch (error) {
    if (error instanceof re2().RE2JSException) return undefined;
    // Its nested parts take more stack than there is.
    throw error instanceof RangeError ? tooLarge(expression) : error;
  }
}

const tooLarge = (expression: string): BidoraError =>
  new BidoraError("PATTERN", `The pattern ${shownPattern(expression)} for module paths is too large: shorten it.`);

/** A pattern that matches exactly `path`. */
export function exactPattern(path: string): string {
  return `^${path.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}`;
}

/** Milliseconds that one expression may take over all paths together. */
const LIMIT = 1000;

const FIND = new Script("(new RegExp(source, 'u').exec(path) ?? { groups: undefined, 0: undefined })");

/** A regular expression in JavaScript's engine, which can backtrack forever: it is stopped after a time limit. */
class BoundedRegExp {
  static #context: Context | undefined;
  readonly #source: string;
  #left = LIMIT;

  /** @throws BidoraError `PATTERN` if it is not a valid expression */
  constructor(readonly expression: string) {
    this.#source = expression.replaceAll("(?P<", "(?<");
    try {
      new RegExp(this.#source, "u");
    } catch (error) {
      const [, why = "it is too large"] = /: ([^:]*)$/.exec((error as Error).message) ?? [];
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
      const { code, name } = error as NodeJS.ErrnoException;
      const isSlow = code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
      // The engine's stack is too small for it; the error is of the context, which has classes of its own.
      if (!isSlow && name !== "RangeError") throw error;
      throw new BidoraError(
        "PATTERN",
        `The pattern ${shownPattern(this.expression)} for module paths ${isSlow ? "takes too long" : "is nested too deeply"}: write it without look-ahead and back-references.`,
      );
    } finally {
      this.#left -= performance.now() - began;
    }
  }
}

/** A pattern as messages show it, truncated if it is long. */
function shownPattern(expression: string): string {
  return JSON.stringify(expression.length > 80 ? `${expression.slice(0, 79)}…` : expression);
}

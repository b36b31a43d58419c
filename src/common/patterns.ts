import { type Context, createContext, Script } from "node:vm";
import { RE2JS, RE2JSException } from "re2js";
import { BidoraError } from "./errors.js";

/** What this file asks of a regular expression, whichever engine runs it. */
interface Matching {
  /** As Python's `re.fullmatch`. */
  matches(path: string): boolean;
  /** The text of a named group where the expression is first found, or undefined. */
  group(path: string, name: string): string | undefined;
}

/** States of an expression's automaton: each letter of a path costs at most as much. */
const MOST_STATES = 20_000;

const compiled = new Map<string, Matching>();

/** True when the regular expression matches all of `path`, as Python's `re.fullmatch`. */
export function fullMatch(expression: string, path: string): boolean {
  return compile(expression).matches(path);
}

/** The text of a named group at the first place where the expression is found in `path`, or undefined. */
export function groupAt(expression: string, path: string, name: string): string | undefined {
  return compile(expression).group(path, name);
}

/** True for a regular expression that can be read. */
export function isPattern(expression: string): boolean {
  try {
    return compile(expression) !== undefined;
  } catch {
    return false;
  }
}

/**
 * A regular expression as PEFT's files hold it, in Python's spelling. It runs in time linear in the path, by RE2; what RE2 does
 * not have (look-ahead, back-references) runs within a limit of time.
 * @throws BidoraError `PATTERN` when it is none
 */
function compile(expression: string): Matching {
  const known = compiled.get(expression);
  if (known) return known;
  const fresh = linear(expression) ?? new BoundedRegExp(expression);
  compiled.set(expression, fresh);
  return fresh;
}

/** Undefined for what RE2 does not know. */
function linear(expression: string): Matching | undefined {
  const found = readLinear(expression);
  if (found === undefined) return undefined;
  if (found.programSize() > MOST_STATES)
    throw new BidoraError(
      "PATTERN",
      `The pattern ${shownPattern(expression)} for module paths is too large: shorten it.`,
    );
  return {
    matches: (path) => found.matches(path),
    group: (path, name) => {
      const matcher = found.matcher(path);
      return matcher.find() ? (matcher.group(name) ?? undefined) : undefined;
    },
  };
}

function readLinear(expression: string): RE2JS | undefined {
  try {
    return RE2JS.compile(expression);
  } catch (error) {
    if (error instanceof RE2JSException) return undefined;
    throw error;
  }
}

/** A pattern that matches `path` from its start to its end and nothing else. */
export function exactPattern(path: string): string {
  return `^${path.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}`;
}

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

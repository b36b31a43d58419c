import { BidoraError } from "../errors.js";

const compiled = new Map<string, RegExp>();

/** True when the regular expression matches all of `path`, as Python's `re.fullmatch`. */
export function fullMatch(expression: string, path: string): boolean {
  return compile(`^(?:${expression})$`).test(path);
}

/**
 * A regular expression as PEFT's files hold it, in Python's spelling.
 * @throws BidoraError `PATTERN` when it is none
 */
export function compile(expression: string): RegExp {
  const known = compiled.get(expression);
  if (known) return known;
  try {
    const fresh = new RegExp(expression.replaceAll("(?P<", "(?<"));
    compiled.set(expression, fresh);
    return fresh;
  } catch (error) {
    throw new BidoraError("PATTERN", `A pattern for module paths cannot be read: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

/** A pattern that matches `path` from its start to its end and nothing else. */
export function exactPattern(path: string): string {
  return `^${path.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}`;
}

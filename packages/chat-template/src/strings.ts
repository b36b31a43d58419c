/** Python's white space, and the methods of `str`. */
import { refuse } from "./error.js";
import { str } from "./repr.js";
import { type Arguments, isList, isTruthy, itemsOf, requireSmallInt, Tuple, typeName, type Value } from "./values.js";

/** Python's white space: unlike JavaScript's it has ASCII's separators and lacks the byte-order mark. */
export const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const SPACES = new RegExp(`[${SPACE}]+`, "u");
const LEADING = new RegExp(`^[${SPACE}]+`, "u");
const TRAILING = new RegExp(`(?<![${SPACE}])[${SPACE}]+$`, "u");

export const trimEnd = (text: string): string => text.replace(TRAILING, "");

/** The characters at which Python ends a line. */
const LINE_ENDS = "\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029";
const LINE_END = new RegExp(`\\r\\n|[${LINE_ENDS}]`, "gu");

/** Python's `splitlines()`. */
export function splitLines(text: string, keepsEnds = false): string[] {
  const lines: string[] = [];
  let start = 0;
  for (const { 0: end, index } of text.matchAll(LINE_END)) {
    lines.push(text.slice(start, index + (keepsEnds ? end.length : 0)));
    start = index + end.length;
  }
  return start < text.length ? [...lines, text.slice(start)] : lines;
}

type Method = (text: string, args: readonly Value[]) => Value;

/** The methods of Python's `str` that are supported. */
export const STRING_METHODS: Readonly<Record<string, Method>> = {
  strip: (text, [characters]) => stripEnd(stripStart(text, characters), characters),
  lstrip: (text, [characters]) => stripStart(text, characters),
  rstrip: (text, [characters]) => stripEnd(text, characters),
  upper: (text) => text.toUpperCase(),
  lower: (text) => text.toLowerCase(),
  title: (text) =>
    requireAscii(text)
      .toLowerCase()
      .replace(/[a-z]+/g, capitalize),
  capitalize: (text) => capitalize(requireAscii(text).toLowerCase()),
  startswith: (text, [start]) => candidates(start).some((part) => text.startsWith(part)),
  endswith: (text, [end]) => candidates(end).some((part) => text.endsWith(part)),
  replace: (text, [old, by, count]) => replace(text, requireString(old), requireString(by), count),
  split: (text, [separator, limit]) => split(text, separator, limit),
  count: (text, [part]) => BigInt(splitAt(text, part).length - 1),
  find: (text, [part]) => codePointIndex(text, text.indexOf(requireString(part))),
  rfind: (text, [part]) => codePointIndex(text, text.lastIndexOf(requireString(part))),
  removeprefix: (text, [part]) =>
    text.startsWith(requireString(part)) ? text.slice(requireString(part).length) : text,
  removesuffix: (text, [part]) =>
    part !== "" && text.endsWith(requireString(part)) ? text.slice(0, -requireString(part).length) : text,
  rsplit: (text, [separator, limit]) => splitEnd(text, separator, limit),
  partition: (text, [part]) => partition(text, part, text.indexOf(requireString(part)), [text, "", ""]),
  rpartition: (text, [part]) => partition(text, part, text.lastIndexOf(requireString(part)), ["", "", text]),
  splitlines: (text, [keepsEnds]) => splitLines(text, isTruthy(keepsEnds)),
  join: (text, [items]) => itemsOf(items).map(requireString).join(text),
};

/** The most arguments of a method, where that is not one. */
const MAX_ARGUMENTS: Readonly<Record<string, number>> = {
  upper: 0,
  lower: 0,
  title: 0,
  capitalize: 0,
  replace: 3,
  split: 2,
  rsplit: 2,
};

/** @throws TemplateError for arguments that are not supported */
export function callStringMethod(name: string, text: string, { positional, named }: Arguments): Value {
  const method = STRING_METHODS[name] as Method;
  if (named.size > 0 || positional.length > (MAX_ARGUMENTS[name] ?? 1))
    return refuse(`unsupported arguments of ${name}()`);
  return method(text, positional);
}

/** Title case is supported for ASCII only, where all versions of Unicode agree on it. */
export function requireAscii(text: string): string {
  return /^\p{ASCII}*$/u.test(text)
    ? text
    : refuse(`title case of ${JSON.stringify(text.slice(0, 20))} is not supported`);
}

export const capitalize = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();

/** @param count the most replacements; all if negative, None or undefined */
export function replace(text: string, old: string, by: string, count?: Value): string {
  if (old === "") return refuse("it replaces an empty string");
  const most = count === undefined || count === null ? -1 : requireSmallInt(count, "the count of replace");
  const parts = text.split(old);
  if (most < 0 || parts.length <= most + 1) return parts.join(by);
  return [parts.slice(0, most + 1).join(by), ...parts.slice(most + 1)].join(old);
}

export function strip(text: string, characters?: Value): string {
  return stripEnd(stripStart(text, characters), characters);
}

function stripStart(text: string, characters: Value): string {
  if (characters === undefined || characters === null) return text.replace(LEADING, "");
  const [all, set] = [Array.from(text), new Set(requireString(characters))];
  const first = all.findIndex((character) => !set.has(character));
  return first === -1 ? "" : all.slice(first).join("");
}

function stripEnd(text: string, characters: Value): string {
  if (characters === undefined || characters === null) return trimEnd(text);
  const [all, set] = [Array.from(text), new Set(requireString(characters))];
  return all.slice(0, all.findLastIndex((character) => !set.has(character)) + 1).join("");
}

function split(text: string, separator: Value, limit: Value): Value {
  if (limit !== undefined && (typeof limit !== "bigint" || limit < 0n))
    return refuse("the limit of split() is not supported");
  if (separator === undefined || separator === null) {
    if (limit !== undefined) return refuse("split() at white space with a limit is not supported");
    return text.split(SPACES).filter((part) => part !== "");
  }
  const by = requireString(separator);
  if (by === "") return refuse("it splits at an empty string");
  const [parts, count] = [text.split(by), Number(limit ?? text.length)];
  return parts.length <= count + 1 ? parts : [...parts.slice(0, count), parts.slice(count).join(by)];
}

function splitAt(text: string, part: Value): string[] {
  return part === "" ? refuse("it counts an empty string") : text.split(requireString(part));
}

/** Python's indices count code points. */
const codePointIndex = (text: string, at: number): bigint => BigInt(at < 0 ? at : Array.from(text.slice(0, at)).length);

/** `rsplit()`: with a limit the left part stays whole. */
function splitEnd(text: string, separator: Value, limit: Value): Value {
  const all = split(text, separator, undefined);
  if (limit === undefined || !isList(all)) return all;
  const by =
    separator === undefined || separator === null
      ? refuse("rsplit() at white space with a limit is not supported")
      : requireString(separator);
  const kept = all.length - requireSmallInt(limit, "the limit of rsplit()");
  if (kept > all.length) return all;
  return kept <= 1 ? all : [all.slice(0, kept).join(by), ...all.slice(kept)];
}

function partition(text: string, part: Value, at: number, absent: readonly string[]): Tuple {
  if (part === "") return refuse("it partitions a string at an empty one");
  const by = requireString(part);
  return Tuple.from<Value>(at < 0 ? absent : [text.slice(0, at), by, text.slice(at + by.length)]) as Tuple;
}

function candidates(value: Value): string[] {
  return value instanceof Tuple ? value.map(requireString) : [requireString(value)];
}

export function requireString(value: Value): string {
  return typeof value === "string" ? value : refuse(`it needs a string, but has ${typeName(value)}`);
}

export const concatenate = (...values: readonly Value[]): string => values.map(str).join("");

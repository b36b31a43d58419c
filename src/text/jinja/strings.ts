/** Texts and what they can do, as Python's `str` does it. */
import { isWhole } from "../surrogates.js";
import { refuse } from "./fault.js";
import { type Arguments, isList, itemsOf, kindOf, textOf, type Value } from "./values.js";

/** What Python takes for white space: with the separators of ASCII, without the byte-order mark that JavaScript counts in. */
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACES = new RegExp(`[${SPACE}]+`, "u");
const LEADING = new RegExp(`^[${SPACE}]+`, "u");
const TRAILING = new RegExp(`(?<![${SPACE}])[${SPACE}]+$`, "u");

type Method = (text: string, args: readonly Value[]) => Value;

/** Python's methods that are followed here. */
export const STRING_METHODS: Readonly<Record<string, Method>> = {
  strip: (text, [characters]) => stripEnd(stripStart(text, characters), characters),
  lstrip: (text, [characters]) => stripStart(text, characters),
  rstrip: (text, [characters]) => stripEnd(text, characters),
  upper: (text) => text.toUpperCase(),
  lower: (text) => text.toLowerCase(),
  title: (text) =>
    asciiOf(text)
      .toLowerCase()
      .replace(/[a-z]+/g, capitalized),
  capitalize: (text) => capitalized(asciiOf(text).toLowerCase()),
  startswith: (text, [start]) => candidates(start).some((part) => text.startsWith(part)),
  endswith: (text, [end]) => candidates(end).some((part) => text.endsWith(part)),
  replace: (text, [old, by]) => replaced(text, stringOf(old), stringOf(by)),
  split: (text, [separator, most]) => splitText(text, separator, most),
  join: (text, [items]) => itemsOf(items).map(stringOf).join(text),
};

/** How many arguments a method has at most, where it is not one. */
const MOST: Readonly<Record<string, number>> = { upper: 0, lower: 0, title: 0, capitalize: 0, replace: 2, split: 2 };

/** @throws TemplateFault for arguments that this method does not follow Python with */
export function callStringMethod(name: string, text: string, { positional, named }: Arguments): Value {
  const method = STRING_METHODS[name] as Method;
  if (named.size > 0 || positional.length > (MOST[name] ?? 1))
    return refuse(`the arguments of ${name}() are not known`);
  return method(text, positional);
}

/** Of a text with letters of ASCII alone, whose cases Unicode's versions agree on. */
export function asciiOf(text: string): string {
  return /^\p{ASCII}*$/u.test(text) ? text : refuse(`it puts ${JSON.stringify(text.slice(0, 20))} in title case`);
}

export const capitalized = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();

export function replaced(text: string, old: string, by: string): string {
  return old === "" ? refuse("it replaces an empty text") : text.split(old).join(by);
}

export function strip(text: string, characters?: Value): string {
  return stripEnd(stripStart(text, characters), characters);
}

function stripStart(text: string, characters: Value): string {
  if (characters === undefined || characters === null) return text.replace(LEADING, "");
  const [own, set] = [Array.from(text), new Set(stringOf(characters))];
  const first = own.findIndex((character) => !set.has(character));
  return first === -1 ? "" : own.slice(first).join("");
}

function stripEnd(text: string, characters: Value): string {
  if (characters === undefined || characters === null) return text.replace(TRAILING, "");
  const [own, set] = [Array.from(text), new Set(stringOf(characters))];
  return own.slice(0, own.findLastIndex((character) => !set.has(character)) + 1).join("");
}

function splitText(text: string, separator: Value, most: Value): Value {
  if (most !== undefined && (typeof most !== "number" || most < 0))
    return refuse("split() has a limit that is not known");
  if (separator === undefined || separator === null) {
    if (most !== undefined) return refuse("split() at white space has a limit");
    return text.split(SPACES).filter((part) => part !== "");
  }
  const by = stringOf(separator);
  if (by === "") return refuse("it splits at an empty text");
  const parts = text.split(by);
  return most === undefined || parts.length <= most + 1 ? parts : [...parts.slice(0, most), parts.slice(most).join(by)];
}

function candidates(value: Value): string[] {
  return isList(value) ? value.map(stringOf) : [stringOf(value)];
}

export function stringOf(value: Value): string {
  return typeof value === "string" ? value : refuse(`a text is expected, but ${kindOf(value)} came`);
}

/** JSON as Python's `json.dumps` writes it, with non-ASCII letters as they are. */
export function jsonOf(value: Value, indent: number | undefined, depth = 0): string {
  if (typeof value === "string")
    return isWhole(value) ? JSON.stringify(value) : refuse("it writes half a character as JSON");
  if (value === null || typeof value === "boolean" || typeof value === "number") return JSON.stringify(value);
  const [inner, outer] = [depth + 1, depth].map((d) => (indent === undefined ? "" : `\n${" ".repeat(indent * d)}`));
  const enclosed = (open: string, parts: readonly string[], close: string) =>
    parts.length === 0 ? open + close : open + inner + parts.join(`,${inner || " "}`) + outer + close;
  if (isList(value))
    return enclosed(
      "[",
      value.map((item) => jsonOf(item, indent, depth + 1)),
      "]",
    );
  if (!(value instanceof Map)) return refuse(`it writes ${kindOf(value)} as JSON`);
  const entries = [...value].map(([key, item]) => `${jsonOf(key, undefined)}: ${jsonOf(item, indent, depth + 1)}`);
  return enclosed("{", entries, "}");
}

export const concatenated = (...values: readonly Value[]): string => values.map(textOf).join("");

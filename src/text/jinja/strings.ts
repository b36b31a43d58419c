/** Texts and what they can do, as Python's `str` does it. */
import { refuse } from "./fault.js";
import { textOf } from "./repr.js";
import { linesOf, SPACES, trimmedEnd, trimmedStart } from "./spaces.js";
import { type Arguments, isList, isTrue, itemsOf, kindOf, smallNumber, Tuple, type Value } from "./values.js";

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
  replace: (text, [old, by, count]) => replaced(text, stringOf(old), stringOf(by), count),
  split: (text, [separator, most]) => splitText(text, separator, most),
  count: (text, [part]) => BigInt(parted(text, part).length - 1),
  find: (text, [part]) => placeIn(text, text.indexOf(stringOf(part))),
  rfind: (text, [part]) => placeIn(text, text.lastIndexOf(stringOf(part))),
  removeprefix: (text, [part]) => (text.startsWith(stringOf(part)) ? text.slice(stringOf(part).length) : text),
  removesuffix: (text, [part]) =>
    part !== "" && text.endsWith(stringOf(part)) ? text.slice(0, -stringOf(part).length) : text,
  rsplit: (text, [separator, most]) => splitEnd(text, separator, most),
  partition: (text, [part]) => parts(text, part, text.indexOf(stringOf(part)), [text, "", ""]),
  rpartition: (text, [part]) => parts(text, part, text.lastIndexOf(stringOf(part)), ["", "", text]),
  splitlines: (text, [keepsEnds]) => linesOf(text, isTrue(keepsEnds)),
  join: (text, [items]) => itemsOf(items).map(stringOf).join(text),
};

/** How many arguments a method has at most, where it is not one. */
const MOST: Readonly<Record<string, number>> = {
  upper: 0,
  lower: 0,
  title: 0,
  capitalize: 0,
  replace: 3,
  split: 2,
  rsplit: 2,
};

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

/** @param count how often at most; all where it is negative or not given */
export function replaced(text: string, old: string, by: string, count?: Value): string {
  if (old === "") return refuse("it replaces an empty text");
  const most = count === undefined || count === null ? -1 : smallNumber(count, "how often a text is replaced");
  const parts = text.split(old);
  if (most < 0 || parts.length <= most + 1) return parts.join(by);
  return [parts.slice(0, most + 1).join(by), ...parts.slice(most + 1)].join(old);
}

export function strip(text: string, characters?: Value): string {
  return stripEnd(stripStart(text, characters), characters);
}

function stripStart(text: string, characters: Value): string {
  if (characters === undefined || characters === null) return trimmedStart(text);
  const [own, set] = [Array.from(text), new Set(stringOf(characters))];
  const first = own.findIndex((character) => !set.has(character));
  return first === -1 ? "" : own.slice(first).join("");
}

function stripEnd(text: string, characters: Value): string {
  if (characters === undefined || characters === null) return trimmedEnd(text);
  const [own, set] = [Array.from(text), new Set(stringOf(characters))];
  return own.slice(0, own.findLastIndex((character) => !set.has(character)) + 1).join("");
}

function splitText(text: string, separator: Value, most: Value): Value {
  if (most !== undefined && (typeof most !== "bigint" || most < 0n))
    return refuse("split() has a limit that is not known");
  if (separator === undefined || separator === null) {
    if (most !== undefined) return refuse("split() at white space has a limit");
    return text.split(SPACES).filter((part) => part !== "");
  }
  const by = stringOf(separator);
  if (by === "") return refuse("it splits at an empty text");
  const [parts, count] = [text.split(by), Number(most ?? text.length)];
  return parts.length <= count + 1 ? parts : [...parts.slice(0, count), parts.slice(count).join(by)];
}

function parted(text: string, part: Value): string[] {
  return part === "" ? refuse("it looks for an empty text") : text.split(stringOf(part));
}

/** Python counts characters. */
const placeIn = (text: string, at: number): bigint => BigInt(at < 0 ? at : Array.from(text.slice(0, at)).length);

/** `rsplit()` with a limit keeps what is on the left together. */
function splitEnd(text: string, separator: Value, most: Value): Value {
  const all = splitText(text, separator, undefined);
  if (most === undefined || !isList(all)) return all;
  const by =
    separator === undefined || separator === null ? refuse("rsplit() at white space has a limit") : stringOf(separator);
  const kept = all.length - smallNumber(most, "the limit of rsplit()");
  if (kept > all.length) return all;
  return kept <= 1 ? all : [all.slice(0, kept).join(by), ...all.slice(kept)];
}

function parts(text: string, part: Value, at: number, none: readonly string[]): Tuple {
  if (part === "") return refuse("it parts a text at an empty one");
  const by = stringOf(part);
  return Tuple.from<Value>(at < 0 ? none : [text.slice(0, at), by, text.slice(at + by.length)]) as Tuple;
}

function candidates(value: Value): string[] {
  return value instanceof Tuple ? value.map(stringOf) : [stringOf(value)];
}

export function stringOf(value: Value): string {
  return typeof value === "string" ? value : refuse(`a text is expected, but ${kindOf(value)} came`);
}

export const concatenated = (...values: readonly Value[]): string => values.map(textOf).join("");

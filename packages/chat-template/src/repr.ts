/** Values as text: Python's `str()`, `repr()` and `json.dumps()`. */
import { refuse } from "./error.js";
import { floatRepr } from "./numbers.js";
import {
  compare,
  type Dict,
  DictView,
  isDict,
  isList,
  Range,
  SafeString,
  Tuple,
  typeName,
  type Value,
} from "./values.js";

/** Python's `str()`; undefined is empty, as Jinja prints it. */
export function str(value: Value): string {
  if (typeof value === "string") return value;
  if (value instanceof SafeString) return value.text;
  return value === undefined ? "" : repr(value);
}

/** Python's `repr()`. */
export function repr(value: Value): string {
  switch (typeof value) {
    case "string":
      return quoted(value);
    case "undefined":
      return "Undefined";
    case "boolean":
      return value ? "True" : "False";
    case "bigint":
      return String(value);
    case "number":
      return floatRepr(value);
    default:
      return value === null ? "None" : containerRepr(value);
  }
}

function containerRepr(value: Value): string {
  if (value instanceof Range) return rangeRepr(value);
  if (value instanceof Tuple) return `(${value.map(repr).join(", ")}${value.length === 1 ? "," : ""})`;
  if (isList(value)) return `[${value.map(repr).join(", ")}]`;
  if (isDict(value)) return dictRepr(value);
  if (value instanceof DictView) return `${value.name}([${value.items.map(repr).join(", ")}])`;
  return refuse(`it prints ${typeName(value)}, whose text in Python is a memory address`);
}

const dictRepr = (dict: Dict): string =>
  `{${[...dict].map(([key, value]) => `${repr(key)}: ${repr(value)}`).join(", ")}}`;

function rangeRepr({ start, stop, step }: Range): string {
  return `range(${start}, ${stop}${step === 1 ? "" : `, ${step}`})`;
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };
/** Characters that `repr()` escapes. */
const UNPRINTABLE = /[\\\p{C}\p{Z}]/gu;

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(UNPRINTABLE, (character) =>
    character === " " ? " " : (ESCAPES[character] ?? codeEscape(character)),
  );
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

function codeEscape(character: string): string {
  const hex = (character.codePointAt(0) as number).toString(16);
  if (hex.length <= 2) return `\\x${hex.padStart(2, "0")}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

export interface JsonStyle {
  /** One level of indentation; undefined for everything on one line. */
  readonly indent: string | undefined;
  readonly itemSeparator: string;
  readonly keySeparator: string;
  readonly isAscii: boolean;
  readonly sortsKeys: boolean;
}

/** Python's `json.dumps()`. */
export function toJson(value: Value, style: JsonStyle, depth = 0): string {
  if (typeof value === "string") return stringJson(value, style);
  if (typeof value === "bigint" || typeof value === "boolean" || value === null) return String(value);
  if (typeof value === "number") return floatJson(value);
  const nested = (item: Value) => toJson(item, style, depth + 1);
  if (isList(value) && !(value instanceof Range)) return bracketed("[]", value.map(nested), style, depth);
  if (!isDict(value)) return refuse(`it writes ${typeName(value)} as JSON`);
  const entries = style.sortsKeys ? [...value].sort(([a], [b]) => compare(a, b)) : [...value];
  const parts = entries.map(([key, item]) => `${stringJson(String(key), style)}${style.keySeparator}${nested(item)}`);
  return bracketed("{}", parts, style, depth);
}

function bracketed(
  brackets: string,
  parts: readonly string[],
  { indent, itemSeparator }: JsonStyle,
  depth: number,
): string {
  if (parts.length === 0) return brackets;
  const [inner, outer] = [depth + 1, depth].map((level) => (indent === undefined ? "" : `\n${indent.repeat(level)}`));
  return `${brackets[0]}${inner}${parts.join(itemSeparator + inner)}${outer}${brackets[1]}`;
}

function stringJson(text: string, { isAscii }: JsonStyle): string {
  if (/\p{Surrogate}/u.test(text)) return refuse("it writes a lone surrogate as JSON");
  const json = JSON.stringify(text);
  // Python escapes the two surrogates of a character separately.
  return isAscii ? json.replace(/[\x7f-\uffff]/g, unitEscape) : json;
}

const unitEscape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

function floatJson(number: number): string {
  if (Number.isNaN(number)) return "NaN";
  return Number.isFinite(number) ? floatRepr(number) : `${number}`;
}

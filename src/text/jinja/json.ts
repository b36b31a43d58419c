/** JSON as Python's `json.dumps` writes it. */
import { isWhole } from "../surrogates.js";
import { refuse } from "./fault.js";
import { floatText } from "./numbers.js";
import { compare } from "./order.js";
import { isDict, isList, kindOf, Range, type Value } from "./values.js";

export interface JsonStyle {
  /** What a level of nesting is indented by; undefined for one line. */
  readonly indent: string | undefined;
  readonly itemSeparator: string;
  readonly keySeparator: string;
  readonly isAscii: boolean;
  readonly sortsKeys: boolean;
}

export function jsonOf(value: Value, style: JsonStyle, depth = 0): string {
  if (typeof value === "string") return stringJson(value, style);
  if (typeof value === "bigint" || typeof value === "boolean" || value === null) return String(value);
  if (typeof value === "number") return floatJson(value);
  if (isList(value) && !(value instanceof Range))
    return enclosed(
      "[]",
      value.map((item) => jsonOf(item, style, depth + 1)),
      style,
      depth,
    );
  if (!isDict(value)) return refuse(`it writes ${kindOf(value)} as JSON`);
  const entries = style.sortsKeys ? [...value].sort(([a], [b]) => compare(a, b)) : [...value];
  const parts = entries.map(
    ([key, item]) => `${stringJson(String(key), style)}${style.keySeparator}${jsonOf(item, style, depth + 1)}`,
  );
  return enclosed("{}", parts, style, depth);
}

function enclosed(
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
  if (!isWhole(text)) return refuse("it writes half a character as JSON");
  const json = JSON.stringify(text);
  // Each UTF-16 unit is escaped alone, as Python does.
  return isAscii ? json.replace(/[\x7f-\uffff]/g, escaped) : json;
}

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

function floatJson(number: number): string {
  if (Number.isNaN(number)) return "NaN";
  return Number.isFinite(number) ? floatText(number) : `${number}`;
}

/** Values as Python writes them: `str()` and `repr()`. */
import { refuse } from "./fault.js";
import { floatText } from "./numbers.js";
import { type Dict, isDict, isList, kindOf, Range, Tuple, type Value, View } from "./values.js";

/** Python's `str()`. */
export function textOf(value: Value): string {
  if (typeof value === "string") return value;
  return value === undefined ? "" : reprOf(value);
}

/** Python's `repr()`. */
export function reprOf(value: Value): string {
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
      return floatText(value);
    default:
      return value === null ? "None" : containerText(value);
  }
}

function containerText(value: Value): string {
  if (value instanceof Range) return rangeText(value);
  if (value instanceof Tuple) return `(${value.map(reprOf).join(", ")}${value.length === 1 ? "," : ""})`;
  if (isList(value)) return `[${value.map(reprOf).join(", ")}]`;
  if (isDict(value)) return dictText(value);
  if (value instanceof View) return `${value.name}([${value.items.map(reprOf).join(", ")}])`;
  return refuse(`it writes ${kindOf(value)} as a text, which only Python can spell`);
}

const dictText = (dict: Dict): string =>
  `{${[...dict].map(([key, value]) => `${reprOf(key)}: ${reprOf(value)}`).join(", ")}}`;

function rangeText({ start, stop, step }: Range): string {
  return `range(${start}, ${stop}${step === 1 ? "" : `, ${step}`})`;
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };
/** What Python does not print as it is. */
const HIDDEN = /[\\\p{C}\p{Z}]/gu;

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(HIDDEN, (character) =>
    character === " " ? " " : (ESCAPES[character] ?? coded(character)),
  );
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

function coded(character: string): string {
  const hex = (character.codePointAt(0) as number).toString(16);
  if (hex.length <= 2) return `\\x${hex.padStart(2, "0")}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

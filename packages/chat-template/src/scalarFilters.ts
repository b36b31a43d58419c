/** Jinja's filters on strings and numbers, and how filters read their arguments. */
import { refuse } from "./error.js";
import { bounded, fixed, scaled } from "./numbers.js";
import { percentFormat } from "./percent.js";
import { str, toJson } from "./repr.js";
import { capitalize, replace, requireAscii, requireString, splitLines, strip } from "./strings.js";
import {
  type Arguments,
  isList,
  isNumber,
  isTruthy,
  numberLike,
  requireSmallInt,
  Tuple,
  typeName,
  type Value,
} from "./values.js";

export type Filter = (value: Value, args: Arguments) => Value;

/** The values of a filter's parameters, given by position or by name. @throws TemplateError for any other argument */
export function parameters(filter: string, { positional, named }: Arguments, ...names: readonly string[]): Value[] {
  const isUnknown = [...named.keys()].some((name) => names.indexOf(name) < positional.length);
  if (isUnknown || positional.length > names.length) return refuse(`unsupported arguments of the filter ${filter}`);
  return names.map((name, i) => (i < positional.length ? positional[i] : named.get(name)));
}

/** A filter without parameters. */
export const plain =
  (name: string, apply: (value: Value) => Value): Filter =>
  (value, args) => {
    parameters(name, args);
    return apply(value);
  };

const WORD = /[\p{L}\p{N}_]+/gu;

export const SCALAR_FILTERS: Readonly<Record<string, Filter>> = {
  trim: (value, args) => strip(str(value), parameters("trim", args, "chars")[0]),
  upper: plain("upper", (value) => str(value).toUpperCase()),
  lower: plain("lower", (value) => str(value).toLowerCase()),
  capitalize: plain("capitalize", (value) => capitalize(requireAscii(str(value)))),
  title: plain("title", (value) => requireAscii(str(value)).replace(/[^-\s({[<]+/g, capitalize)),
  replace: (value, args) => {
    const [old, by, count] = parameters("replace", args, "old", "new", "count");
    if (old === undefined || by === undefined) return refuse("the filter replace needs two strings");
    return replace(str(value), str(old), str(by), count);
  },
  string: plain("string", str),
  wordcount: plain("wordcount", (value) => BigInt(str(value).match(WORD)?.length ?? 0)),
  indent: (value, args) => {
    const [width = 4n, first, blank] = parameters("indent", args, "width", "first", "blank");
    const unit = typeof width === "string" ? width : spaces(width);
    return indent(requireString(value), unit, isTruthy(first), isTruthy(blank));
  },
  format: (value, args) => format(str(value), args),
  tojson: (value, args) => json(value, args),
  int: (value, args) => {
    const [other = 0n, base = 10n] = parameters("int", args, "default", "base");
    return base === 10n ? intOf(value, other) : refuse("the filter int supports base 10 only");
  },
  float: (value, args) => floatOf(value, parameters("float", args, "default")[0] ?? 0),
  abs: plain("abs", (value) => {
    const number = numberOf("abs", value);
    return number < 0 || Object.is(number, -0) ? -number : number;
  }),
  round: (value, args) => {
    const [precision = 0n, method = "common"] = parameters("round", args, "precision", "method");
    if (method !== "common") return refuse('the filter round supports the method "common" only');
    return round(numberOf("round", value), requireSmallInt(precision, "a precision"));
  },
};

const spaces = (width: Value): string => " ".repeat(Math.max(0, requireSmallInt(width, "an indentation")));

/** Indents the lines after the first; empty ones only with `blank`. */
function indent(text: string, unit: string, first: boolean, blank: boolean): string {
  // Jinja appends a line end too, so that an empty string is one line.
  const lines = splitLines(`${text}\n`);
  const rest = lines.slice(1).map((line) => (blank || line !== "" ? unit + line : line));
  return (first ? unit : "") + [lines[0], ...rest].join("\n");
}

function format(text: string, { positional, named }: Arguments): string {
  if (positional.length > 0 && named.size > 0)
    return refuse("the filter format takes positional or named values, not both");
  return percentFormat(text, named.size > 0 ? named : Tuple.from(positional));
}

/** transformers' `tojson`, which replaces Jinja's. */
function json(value: Value, args: Arguments): string {
  const names = ["ensure_ascii", "indent", "separators", "sort_keys"];
  const [ascii, indentation = null, separators = null, sorts] = parameters("tojson", args, ...names);
  const usual = [indentation === null ? ", " : ",", ": "];
  const [itemSeparator, keySeparator] = separators === null ? usual : separatorPair(separators);
  return toJson(value, {
    indent: indentation === null ? undefined : typeof indentation === "string" ? indentation : spaces(indentation),
    itemSeparator: itemSeparator as string,
    keySeparator: keySeparator as string,
    isAscii: isTruthy(ascii),
    sortsKeys: isTruthy(sorts),
  });
}

const separatorPair = (separators: Value): string[] =>
  isList(separators) && separators.length === 2
    ? separators.map(requireString)
    : refuse("the filter tojson needs two separators");

function numberOf(filter: string, value: Value): bigint | number {
  const number = numberLike(value);
  return isNumber(number) ? number : refuse(`the filter ${filter} needs a number, but has ${typeName(value)}`);
}

/** Strings that Python and JavaScript read as the same number. */
const INT = /^ *[-+]?\d+ *$/;
const FLOAT = /^ *[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)? *$/i;

function intOf(value: Value, other: Value): Value {
  if (typeof value === "string" && INT.test(value)) return bounded(BigInt(value.trim().replace(/^\+/, "")));
  const number = typeof value === "string" && FLOAT.test(value) ? Number(value) : numberLike(value);
  if (typeof number === "number" && Number.isFinite(number)) return BigInt(Math.trunc(number));
  if (typeof number === "bigint") return number;
  return typeof number === "number"
    ? refuse("the filter int has a number that is not finite")
    : unreadable("int", value, other);
}

function floatOf(value: Value, other: Value): Value {
  const number = typeof value === "string" && FLOAT.test(value) ? Number(value) : numberLike(value);
  return isNumber(number) ? Number(number) : unreadable("float", value, other);
}

/** The default for a value that is not a number. A string that only Python might read as a number is refused. */
function unreadable(filter: string, value: Value, other: Value): Value {
  if (typeof value === "string" && /[\d_]|inf|nan/i.test(value))
    return refuse(`the filter ${filter} cannot read ${JSON.stringify(value.slice(0, 20))}`);
  return value === undefined ? refuse(`the filter ${filter} has undefined`) : other;
}

/** Python's `round()`. */
function round(number: bigint | number, precision: number): Value {
  if (typeof number === "bigint" || !Number.isFinite(number))
    return precision < 0 ? refuse("the filter round has a negative precision") : number;
  if (precision < 0 || precision > 100) return refuse("the filter round supports precisions from 0 to 100");
  const sign = number < 0 || Object.is(number, -0) ? -1 : 1;
  return sign * Number(precision === 0 ? scaled(Math.abs(number), 0) : fixed(Math.abs(number), precision));
}

/** Jinja's filters on texts. */
import { refuse } from "./fault.js";
import { jsonOf } from "./json.js";
import { type Filter, parameters, plain } from "./parameters.js";
import { percentFormat } from "./percent.js";
import { textOf } from "./repr.js";
import { linesOf } from "./spaces.js";
import { asciiOf, capitalized, replaced, stringOf, strip } from "./strings.js";
import { type Arguments, isList, isTrue, smallNumber, Tuple, type Value } from "./values.js";

const WORD = /[\p{L}\p{N}_]+/gu;

export const TEXT_FILTERS: Readonly<Record<string, Filter>> = {
  trim: (value, args) => strip(textOf(value), parameters("trim", args, "chars")[0]),
  upper: plain("upper", (value) => textOf(value).toUpperCase()),
  lower: plain("lower", (value) => textOf(value).toLowerCase()),
  capitalize: plain("capitalize", (value) => capitalized(asciiOf(textOf(value)))),
  title: plain("title", (value) => asciiOf(textOf(value)).replace(/[^-\s({[<]+/g, capitalized)),
  replace: (value, args) => {
    const [old, by, count] = parameters("replace", args, "old", "new", "count");
    if (old === undefined || by === undefined) return refuse("the filter replace takes two texts");
    return replaced(textOf(value), textOf(old), textOf(by), count);
  },
  string: plain("string", textOf),
  wordcount: plain("wordcount", (value) => BigInt(textOf(value).match(WORD)?.length ?? 0)),
  indent: (value, args) => {
    const [width = 4n, first, blank] = parameters("indent", args, "width", "first", "blank");
    return indented(stringOf(value), typeof width === "string" ? width : spaces(width), isTrue(first), isTrue(blank));
  },
  format: (value, args) => formatted(textOf(value), args),
  tojson: (value, args) => json(value, args),
};

const spaces = (width: Value): string => " ".repeat(Math.max(0, smallNumber(width, "an indent")));

/** Lines after the first one are indented, those that are empty only where `blank` says so. */
function indented(text: string, indent: string, first: boolean, blank: boolean): string {
  // As Jinja has it, so that a text without a line is one line.
  const lines = linesOf(`${text}\n`);
  const rest = lines.slice(1).map((line) => (blank || line !== "" ? indent + line : line));
  return (first ? indent : "") + [lines[0], ...rest].join("\n");
}

function formatted(format: string, { positional, named }: Arguments): string {
  if (positional.length > 0 && named.size > 0)
    return refuse("the filter format takes values by place or by name, not both");
  return percentFormat(format, named.size > 0 ? named : Tuple.from(positional));
}

/** transformers' own `tojson`. */
function json(value: Value, args: Arguments): string {
  const names = ["ensure_ascii", "indent", "separators", "sort_keys"];
  const [ascii, indent = null, separators = null, sorts] = parameters("tojson", args, ...names);
  const usual = [indent === null ? ", " : ",", ": "];
  const [itemSeparator, keySeparator] = separators === null ? usual : pairOf(separators);
  return jsonOf(value, {
    indent: indent === null ? undefined : typeof indent === "string" ? indent : spaces(indent),
    itemSeparator: itemSeparator as string,
    keySeparator: keySeparator as string,
    isAscii: isTrue(ascii),
    sortsKeys: isTrue(sorts),
  });
}

const pairOf = (separators: Value): string[] =>
  isList(separators) && separators.length === 2
    ? separators.map(stringOf)
    : refuse("the separators of the filter tojson are not known");

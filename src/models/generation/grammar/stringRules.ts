// Strings, as expressions of a grammar.

import { own } from "../../../base/index.js";
import { countOf, type SchemaObject, wrong } from "./schemaKeywords.js";

/** Strings of a format, without quotes. They are some of the format's: no leap days or leap seconds, for instance. */
const FORMATS: Readonly<Record<string, string>> = (() => {
  const days = (last: string) => `("0" [1-9] | [12] [0-9]${last})`;
  const date = `[0-9]{4} "-" (("0" [13578] | "1" [02]) "-" ${days(' | "3" [01]')} | ("0" [469] | "11") "-" ${days(' | "30"')} | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))`;
  const hour = '("0" [0-9] | "1" [0-9] | "2" [0-3])';
  const time = `${hour} ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})? ("Z" | [+-] ${hour} ":" [0-5] [0-9])`;
  const label = "[a-zA-Z0-9]{1,30}";
  const byte = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9] [0-9] | [0-9])';
  return {
    date,
    time,
    "date-time": `${date} "T" ${time}`,
    email: `${label} ([._-] ${label}){0,3} "@" ${label} ("-" ${label})? ("." ${label}){0,2} "." [a-zA-Z]{2,10}`,
    ipv4: `${byte} ("." ${byte}){3}`,
    uuid: `hex{8} "-" hex{4} "-" [1-5] hex{3} "-" [89abAB] hex{3} "-" hex{12}`,
  };
})();

/**
 * The characters of a string: no control characters and no halves of surrogate pairs. XGrammar 0.1.27 takes a class of several characters above
 * U+007F as one of bytes, so they are written as the bytes of UTF-8.
 */
const CHARACTERS: readonly string[] = (() => {
  const [tail, hex] = [String.raw`[\x80-\xBF]`, "[0-9a-fA-F]"];
  return [
    String.raw`[ !#-\[\]-~]`,
    String.raw`[\xC2-\xDF] ${tail}`,
    String.raw`[\xE0-\xE1] [\xA0-\xBF] ${tail}`,
    String.raw`[\xE1-\xEC] ${tail} ${tail}`,
    String.raw`[\xEC-\xED] [\x80-\x9F] ${tail}`,
    String.raw`[\xEE-\xEF] ${tail} ${tail}`,
    String.raw`[\xF0-\xF1] [\x90-\xBF] ${tail} ${tail}`,
    String.raw`[\xF1-\xF3] ${tail} ${tail} ${tail}`,
    String.raw`[\xF3-\xF4] [\x80-\x8F] ${tail} ${tail}`,
    String.raw`"\\" ["\\/bfnrt]`,
    String.raw`"\\u" [0-9a-cA-Ce-fE-F] ${hex} ${hex} ${hex}`,
    String.raw`"\\u" [dD] [0-7] ${hex} ${hex}`,
  ];
})();

const QUOTE = String.raw`"\""`;

/**
 * A rule for what follows a part of a string. It has all that may follow, and no rule for a single character: XGrammar finds the tokens that may
 * come within one rule beforehand, and those that reach beyond it again each time, which takes 1000 times as long.
 * @param next the rule after one more character, or undefined for none @param mayEnd whether the string may end here
 */
function afterPart(next: string | undefined, mayEnd: boolean): string {
  const more = next === undefined ? [] : CHARACTERS.map((character) => `${character} ${next}`);
  return [...(mayEnd ? [QUOTE] : []), ...more].join(" | ");
}

/** The rules of `string`. */
export const STRING_RULES = `string ::= ${QUOTE} characters\ncharacters ::= ${afterPart("characters", true)}`;

/** The most characters that are counted in a grammar: each takes 20 milliseconds or more when the grammar is compiled. */
const MOST_COUNTED = 200;

/** The strings of a grammar. */
export class StringRules {
  #counted = 0;
  readonly #known = new Set<string>();

  /** @param addRule adds a rule to the grammar */
  constructor(private readonly addRule: (rule: string) => void) {}

  /** The strings that a schema allows. */
  of(schema: SchemaObject, path: readonly string[]): string {
    const [least = 0, most] = [countOf(schema, "minLength", path), countOf(schema, "maxLength", path)];
    const isBounded = least > 0 || most !== undefined;
    if (schema.format !== undefined) {
      const format = typeof schema.format === "string" ? own(FORMATS, schema.format) : undefined;
      if (format === undefined) throw wrong([...path, "format"], `is supported for ${Object.keys(FORMATS).join(", ")}`);
      if (isBounded) throw wrong([...path, "format"], "is not supported beside minLength or maxLength");
      return `${QUOTE} ${format} ${QUOTE}`;
    }
    return isBounded ? this.#bounded(least, most, path) : "string";
  }

  /** A rule for each number of characters so far. */
  #bounded(least: number, most: number | undefined, path: readonly string[]): string {
    if (least > (most ?? Number.POSITIVE_INFINITY))
      throw wrong(path, "has a minLength that is more than its maxLength");
    const name = `text${least}to${most ?? ""}after`;
    if (!this.#known.has(name)) {
      this.#known.add(name);
      const last = most ?? least;
      this.#counted += last;
      if (this.#counted > MOST_COUNTED)
        throw wrong(path, `is one of the strings whose minLength and maxLength add up to more than ${MOST_COUNTED}`);
      const end = most === undefined ? `${name}${last}` : undefined;
      for (let length = 0; length <= last; length++)
        this.addRule(
          `${name}${length} ::= ${afterPart(length < last ? `${name}${length + 1}` : end, length >= least)}`,
        );
    }
    return `${QUOTE} ${name}0`;
  }
}

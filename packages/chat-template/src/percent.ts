/** Python's `format % values`. */
import { refuse } from "./error.js";
import { exponentText, fixed, leadingDigits } from "./numbers.js";
import { repr, str } from "./repr.js";
import { isDict, isList, isNumber, keyOf, numberLike, Tuple, typeName, type Value } from "./values.js";

const SPECIFIER = /%(?:\(([^()]*)\))?([-#0 +]*)(\*|\d*)(?:\.(\*|\d*))?[hlL]?([\s\S]?)/gu;
const MAX_WIDTH = 2 ** 10;

interface Specifier {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
}

/** @throws TemplateError if a value has the wrong type, or there are too few or too many values */
export function percentFormat(format: string, values: Value): string {
  const source = new ValueSource(values);
  const text = format.replace(SPECIFIER, (...[whole, name, flags, wide, precise, letter]: string[]) => {
    if (whole === "%%") return "%";
    if (name !== undefined) source.name(name);
    const width = sizeOf(wide, source) ?? 0;
    const precision = precise === "" ? 0 : sizeOf(precise, source);
    const specifier = { flags: width < 0 ? `${flags}-` : (flags as string), width: Math.abs(width), precision };
    return letter === "%" ? "%" : formatValue(letter as string, source.next(), specifier);
  });
  source.requireUsed();
  return text;
}

function sizeOf(given: string | undefined, source: ValueSource): number | undefined {
  if (given === undefined || given === "") return undefined;
  const size = given === "*" ? Number(integerOf("*", source.next())) : Number(given);
  return Math.abs(size) <= MAX_WIDTH ? size : refuse(`a format has a width of ${size}`);
}

/** The values of a format: the items of a tuple in turn, those of a dict by name, any other value once. */
class ValueSource {
  #next = 0;
  #named: { readonly value: Value } | undefined;

  constructor(private readonly values: Value) {}

  name(name: string): void {
    if (!isDict(this.values)) refuse("a format with names needs a dict");
    if (!this.values.has(name)) refuse(`a format names ${JSON.stringify(name)}, which the dict lacks`);
    this.#named = { value: this.values.get(keyOf(name)) };
  }

  next(): Value {
    if (this.#named) return this.#named.value;
    const all = this.values instanceof Tuple ? this.values : [this.values];
    return this.#next < all.length ? all[this.#next++] : refuse("a format has too few values");
  }

  /** Python ignores an unused list, dict or undefined, but not an unused tuple item or other value. */
  requireUsed(): void {
    const { values } = this;
    const isOptional = values === undefined || isDict(values) || (isList(values) && !(values instanceof Tuple));
    const count = values instanceof Tuple ? values.length : 1;
    if (!isOptional && this.#next < count) refuse("a format has too many values");
  }
}

function formatValue(letter: string, value: Value, specifier: Specifier): string {
  switch (letter) {
    case "s":
      return padded(truncated(str(value), specifier), specifier);
    case "r":
      return padded(truncated(repr(value), specifier), specifier);
    case "c":
      return padded(characterOf(value), specifier);
    case "d":
    case "i":
    case "u":
      return signed(integerOf(letter, value), (size) => zeroPadded(size.toString(), specifier), specifier);
    case "x":
    case "X":
    case "o":
      return signed(exactIntegerOf(letter, value), (size) => inBase(size, letter, specifier), specifier);
    case "e":
    case "E":
    case "f":
    case "F":
    case "g":
    case "G":
      return signed(floatOf(letter, value), (size) => floatDigits(size, letter, specifier), specifier);
    default:
      return refuse(`unknown format ${JSON.stringify(`%${letter}`)}`);
  }
}

const truncated = (text: string, { precision }: Specifier): string => Array.from(text).slice(0, precision).join("");

const padding = (text: string, width: number, filler: string): string =>
  filler.repeat(Math.max(0, width - Array.from(text).length));

function padded(text: string, { flags, width }: Specifier): string {
  const filler = padding(text, width, " ");
  return flags.includes("-") ? text + filler : filler + text;
}

/** A number with its sign, padded with spaces or zeros. */
function signed<N extends bigint | number>(number: N, digitsOf: (size: N) => string, specifier: Specifier): string {
  const { flags, width } = specifier;
  const isNegative = number < 0 || Object.is(number, -0);
  const sign = isNegative ? "-" : (/[+ ]/.exec(flags.includes("+") ? "+" : flags)?.[0] ?? "");
  const text = digitsOf((isNegative ? -number : number) as N);
  if (!flags.includes("0") || flags.includes("-")) return padded(sign + text, specifier);
  const prefix = /^0[xXo]/.exec(text)?.[0] ?? "";
  return sign + prefix + padding(sign + text, width, "0") + text.slice(prefix.length);
}

const zeroPadded = (digits: string, { precision = 0 }: Specifier): string => digits.padStart(precision, "0");

function inBase(size: bigint, letter: string, specifier: Specifier): string {
  const digits = zeroPadded(size.toString(letter === "o" ? 8 : 16), specifier);
  const text = (specifier.flags.includes("#") ? `0${letter.toLowerCase()}` : "") + digits;
  return letter === "X" ? text.toUpperCase() : text;
}

function floatDigits(size: number, letter: string, { flags, precision = 6 }: Specifier): string {
  const nonFinite = Number.isNaN(size) ? "nan" : "inf";
  const text = Number.isFinite(size)
    ? finiteDigits(size, letter.toLowerCase(), precision, flags.includes("#"))
    : nonFinite;
  return letter === letter.toUpperCase() ? text.toUpperCase() : text;
}

/** @param keepsPoint the flag `#`: the decimal point and trailing zeros are always written */
function finiteDigits(size: number, letter: string, precision: number, keepsPoint: boolean): string {
  const withPoint = (text: string): string => (keepsPoint && !text.includes(".") ? `${text}.` : text);
  if (letter === "f") return withPoint(fixed(size, precision));
  const count = letter === "e" ? precision + 1 : Math.max(1, precision);
  const { digits, exponent } = leadingDigits(size, count);
  const trimmed = letter === "e" || keepsPoint ? digits : digits.replace(/(?<=.)0+$/, "");
  if (letter === "g" && exponent >= -4 && exponent < count) {
    const decimals = Math.max(0, trimmed.length - 1 - exponent);
    return withPoint(fixed(size, decimals));
  }
  return `${withPoint(trimmed.length > 1 ? `${trimmed[0]}.${trimmed.slice(1)}` : trimmed)}e${exponentText(exponent)}`;
}

/** Floats lose their fraction, except for a width given by `*`. */
function integerOf(letter: string, value: Value): bigint {
  const number = numberLike(value);
  if (typeof number === "bigint") return number;
  if (typeof number === "number" && Number.isFinite(number) && letter !== "*") return BigInt(Math.trunc(number));
  return refuse(`%${letter} needs a number, but has ${typeName(value)}`);
}

function exactIntegerOf(letter: string, value: Value): bigint {
  const number = numberLike(value);
  return typeof number === "bigint" ? number : refuse(`%${letter} needs an int, but has ${typeName(value)}`);
}

function floatOf(letter: string, value: Value): number {
  const number = numberLike(value);
  return isNumber(number) ? Number(number) : refuse(`%${letter} needs a number, but has ${typeName(value)}`);
}

function characterOf(value: Value): string {
  if (typeof value === "string" && Array.from(value).length === 1) return value;
  const code = numberLike(value);
  if (typeof code !== "bigint" || code < 0n || code > 0x10ffffn)
    return refuse(`%c needs a character, but has ${typeName(value)}`);
  return String.fromCodePoint(Number(code));
}

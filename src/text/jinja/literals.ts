/** Numbers and texts as they stand in a template, which are Python's. */
import { refuse } from "./fault.js";
import { bounded } from "./numbers.js";

const NUMBER = /^\d/;

/** What a number in a template is worth; undefined for a name. */
export function numberOf(word: string): bigint | number | undefined {
  if (!NUMBER.test(word)) return undefined;
  const plain = word.replaceAll("_", "");
  return /^(0[xob]|\d+$)/i.test(plain) ? bounded(BigInt(plain.toLowerCase())) : Number(plain);
}

const ESCAPE = /\\(?:([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]))/g;
const SHORT: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** What stands between a text's quotes, with its escapes replaced; one that Python does not know stays. */
export function unescaped(text: string): string {
  return text.replace(ESCAPE, (whole, octal?: string, x?: string, u?: string, long?: string, short?: string) => {
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    const hex = x ?? u ?? long;
    if (hex !== undefined) return character(hex);
    if (short === "x" || short === "u" || short === "U" || short === "N")
      return refuse(`a text has the escape ${JSON.stringify(whole)}, which is not known`);
    return Object.hasOwn(SHORT, short as string) ? (SHORT[short as string] as string) : whole;
  });
}

function character(hex: string): string {
  const code = Number.parseInt(hex, 16);
  return code <= 0x10ffff ? String.fromCodePoint(code) : refuse(`a text has the escape ${hex}, which is no character`);
}

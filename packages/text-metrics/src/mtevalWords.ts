/** The tokenizer of NIST's mteval-v13a. */
/** The steps of `tokenization` in NIST's mteval-v13a.pl: removing, unescaping, then adding spaces. Line breaks are spaces by then. */
const STEPS: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/<skipped>/g, ""],
  [/&quot;/g, '"'],
  [/&amp;/g, "&"],
  [/&lt;/g, "<"],
  [/&gt;/g, ">"],
  [/^|$/g, " "],
  // ASCII punctuation except apostrophe, comma, hyphen and full stop.
  [/[ -&(-+/:-@[-`{-~]/g, " $& "],
  // Full stops and commas not between digits; hyphens after a digit.
  [/([^0-9])([.,])/gu, "$1 $2 "],
  [/([.,])([^0-9])/gu, " $1 $2"],
  [/([0-9])-/g, "$1 - "],
];

/** Whitespace to Perl's `\s`: unlike JavaScript's with "next line" and without the byte-order mark. */
const SPACE = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/**
 * The words of a text as mteval-v13a splits it. A to Z become lower case, other capitals stay. Two differences to the E2E challenge's
 * Python program and sacrebleu: these lowercase all scripts, and join words hyphenated at the end of a line.
 */
export function mtevalWords(text: string): string[] {
  const spaced = STEPS.reduce((done, [pattern, replacement]) => done.replace(pattern, replacement), text);
  return spaced
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .split(SPACE)
    .filter((word) => word !== "");
}

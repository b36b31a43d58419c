/**
 * In turn: what is taken out and unescaped; then where spaces go. Those of NIST's mteval-v13a.pl, `tokenization`, but what
 * it does at line breaks: its files are read so that they are spaces by then.
 */
const STEPS: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/<skipped>/g, ""],
  [/&quot;/g, '"'],
  [/&amp;/g, "&"],
  [/&lt;/g, "<"],
  [/&gt;/g, ">"],
  [/^|$/g, " "],
  // ASCII marks but apostrophe, comma, hyphen and full stop.
  [/[ -&(-+/:-@[-`{-~]/g, " $& "],
  // Full stop and comma, but between digits; a hyphen after a digit.
  [/([^0-9])([.,])/gu, "$1 $2 "],
  [/([.,])([^0-9])/gu, " $1 $2"],
  [/([0-9])-/g, "$1 - "],
];

/** What Perl's `\s` has: unlike JavaScript's, next line and not the byte-order mark. */
const SPACE = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/**
 * The words of a text as mteval-v13a splits it, none of an empty one; A to Z are in small letters, other capitals stay.
 * The E2E challenge's Python program and sacrebleu have small letters of all scripts, and join what a hyphen splits at the
 * end of a line.
 */
export function mtevalWords(text: string): string[] {
  const spaced = STEPS.reduce((done, [pattern, replacement]) => done.replace(pattern, replacement), text);
  return spaced
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .split(SPACE)
    .filter((word) => word !== "");
}

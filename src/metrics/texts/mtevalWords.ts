import { SPACE } from "../squad.js";

/** In turn: what is taken out, joined and unescaped; then where spaces go. Those of NIST's mteval-v13a.pl, `tokenization`. */
const STEPS: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/<skipped>/g, ""],
  [/-\n/g, ""],
  [/\n/g, " "],
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

/** The words of a text in small letters, as mteval-v13a splits it; none of an empty one. */
export function mtevalWords(text: string): string[] {
  const spaced = STEPS.reduce((done, [pattern, replacement]) => done.replace(pattern, replacement), text);
  return spaced
    .split(SPACE)
    .filter((word) => word !== "")
    .map((word) => word.toLowerCase());
}

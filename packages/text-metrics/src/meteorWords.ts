/** METEOR's tokenizer. */
import { ptbWords } from "./ptbWords.js";

const LETTERS = "A-Za-zŠŽšžŸÀ-ÖØ-öø-žЀ-ӿԀ-ԧꙀ-ꙮ꙾-ꚗᴀ-ᵿ";

/** The steps of METEOR 1.5's English normalizer, before full stops at the ends of words. */
const STEPS: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/^|$/g, " "],
  [new RegExp(`[^0-9${LETTERS}\\s.'\`,‘’-]`, "gu"), " $& "],
  [/\.{2,}/g, " $& "],
  // Commas not between digits. Each pattern consumes both neighbors, so the second of two commas may stay.
  [/(\D),(\D)/gu, "$1 , $2"],
  [/(\d),(\D)/gu, "$1 , $2"],
  [/(\D),(\d)/gu, "$1 , $2"],
  [/[`‘’]/g, "'"],
  [/[“”]|''/g, ' " '],
  [/–|--/g, "-"],
  [new RegExp(`([0-9${LETTERS}.])-([0-9${LETTERS}])`, "gu"), "$1 $2"],
  // Apostrophes: o'clock → o 'clock.
  [new RegExp(`([^${LETTERS}])'([^${LETTERS}])`, "gu"), "$1 ' $2"],
  [new RegExp(`([^${LETTERS}0-9])'([${LETTERS}])`, "gu"), "$1 ' $2"],
  [new RegExp(`([${LETTERS}])'([^${LETTERS}])`, "gu"), "$1 ' $2"],
  [new RegExp(`([${LETTERS}])'([${LETTERS}])`, "gu"), "$1 '$2"],
  [/(\d)'(s)/g, "$1 '$2"],
];

/** Words that keep their full stop, and those that keep it before numbers only. */
const ABBREVIATIONS = new Set(["v", "vs", "i.e", "rev", "e.g"]);
const BEFORE_NUMBERS = new Set(["pp"]);

/** The words that METEOR compares in the E2E script: the Penn Treebank's, split again by METEOR's own rules. */
export function meteorWords(text: string): string[] {
  const spaced = STEPS.reduce(
    (done, [pattern, replacement]) => done.replace(pattern, replacement),
    ptbWords(text).join(" "),
  );
  const words = spaced.split(/\s+/).filter((word) => word !== "");
  return words.flatMap((word, index) => stopped(word, words[index + 1] ?? ""));
}

/** Splits the full stop off the end of a word, unless it belongs to the word. */
function stopped(word: string, next: string): string[] {
  if (!/[^.]\.$/.test(word)) return [word];
  const before = word.slice(0, -1);
  // u.s. → us
  if (before.includes(".") && new RegExp(`[${LETTERS}]`, "u").test(before)) return [word.replaceAll(".", "")];
  const kept = ABBREVIATIONS.has(before) || /^[a-z]/.test(next) || (BEFORE_NUMBERS.has(before) && /^[0-9]/.test(next));
  return kept ? [word] : [before, "."];
}

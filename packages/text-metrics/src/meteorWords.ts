import { ptbWords } from "./ptbWords.js";

const LETTERS = "A-Za-zŠŽšžŸÀ-ÖØ-öø-žЀ-ӿԀ-ԧꙀ-ꙮ꙾-ꚗᴀ-ᵿ";

/** METEOR 1.5's normalising of English, in turn, up to full stops at the ends of words. */
const STEPS: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/^|$/g, " "],
  [new RegExp(`[^0-9${LETTERS}\\s.'\`,‘’-]`, "gu"), " $& "],
  [/\.{2,}/g, " $& "],
  // Commas, but between digits; each of these looks at both sides, so one of two in turn may stay.
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

/** Words that keep their full stop; before a number alone the second. */
const ABBREVIATIONS = new Set(["v", "vs", "i.e", "rev", "e.g"]);
const BEFORE_NUMBERS = new Set(["pp"]);

/** The words that METEOR compares: the Penn Treebank's, once more split by METEOR's own rules, as where the E2E script runs it. */
export function meteorWords(text: string): string[] {
  const spaced = STEPS.reduce(
    (done, [pattern, replacement]) => done.replace(pattern, replacement),
    ptbWords(text).join(" "),
  );
  const words = spaced.split(/\s+/).filter((word) => word !== "");
  return words.flatMap((word, index) => stopped(word, words[index + 1] ?? ""));
}

/** A word that ends with a full stop, in one or two. */
function stopped(word: string, next: string): string[] {
  if (!/[^.]\.$/.test(word)) return [word];
  const before = word.slice(0, -1);
  // u.s. → us
  if (before.includes(".") && new RegExp(`[${LETTERS}]`, "u").test(before)) return [word.replaceAll(".", "")];
  const kept = ABBREVIATIONS.has(before) || /^[a-z]/.test(next) || (BEFORE_NUMBERS.has(before) && /^[0-9]/.test(next));
  return kept ? [word] : [before, "."];
}

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { IRREGULAR_FORMS } from "./irregularForms.js";
import { TextMetricError } from "./textMetric.js";

const require = createRequire(import.meta.url);

/** WordNet's lists of words, sorted by their bytes, one a part of speech. */
const LISTS = ["index.noun", "index.verb", "index.adj", "index.adv"];

/** Endings of regular forms and what the base has instead, in the order in which METEOR tries them. */
const ENDINGS: readonly (readonly [ending: string, instead: string])[] = [
  ["s", ""],
  ["ses", "s"],
  ["xes", "x"],
  ["zes", "z"],
  ["ches", "ch"],
  ["shes", "sh"],
  ["men", "man"],
  ["ies", "y"],
  ["es", "e"],
  ["es", ""],
  ["ed", "e"],
  ["ed", ""],
  ["ing", "e"],
  ["ing", ""],
  ["er", ""],
  ["est", ""],
  ["er", "e"],
  ["est", "e"],
];

/** Meanings that METEOR 1.5 takes words to have, by WordNet 3.0, each a number. */
export interface Meanings {
  /** Of a word in small letters, as it stands and as the base of a form; none of one that WordNet lacks. */
  of(word: string): ReadonlySet<number>;
}

let loaded: Meanings | undefined;

/** Reads WordNet's word lists (6 MB) at the first call. @throws TextMetricError `WORDNET_MISSING` without the package `wordnet` */
export function meanings(): Meanings {
  loaded ??= wordnetMeanings(wordnetFolder());
  return loaded;
}

/**
 * Throws where METEOR would: call it before long work whose texts METEOR is to score.
 * @throws TextMetricError `WORDNET_MISSING` without the package `wordnet`
 */
export function requireWordnet(): void {
  wordnetFolder();
}

let found: string | undefined;

function wordnetFolder(): string {
  try {
    found ??= join(dirname(require.resolve("wordnet/package.json")), "db");
    return found;
  } catch (cause) {
    throw new TextMetricError(
      "WORDNET_MISSING",
      "METEOR looks up synonyms in the package wordnet (27 MB), which is not installed: run `npm install wordnet`.",
      { cause },
    );
  }
}

function wordnetMeanings(folder: string): Meanings {
  const lists = LISTS.map((name) => readFileSync(join(folder, name)));
  const irregular = irregularBases();
  const known = new Map<string, ReadonlySet<number>>();
  // Numbers are places in the file of a part of speech. METEOR does not tell the parts apart, and nor does this.
  const own = (word: string) => lists.flatMap((list) => synsets(list, word));
  const regular = (word: string) =>
    own(regularBase(word, (base) => lists.some((list) => lineOf(list, base) !== undefined)));
  return {
    of(word) {
      const before = known.get(word);
      if (before !== undefined) return before;
      const ofBases = irregular.get(word)?.flatMap(own) ?? regular(word);
      const found = new Set([...own(word), ...ofBases]);
      known.set(word, found);
      return found;
    },
  };
}

/** The first base that is a word, by the ending of a form; of words that end in "ss" or have two letters the word itself. */
function regularBase(word: string, isWord: (base: string) => boolean): string {
  if (word.endsWith("ss") || word.length <= 2) return word;
  for (const [ending, instead] of ENDINGS) {
    if (!word.endsWith(ending)) continue;
    const base = word.slice(0, -ending.length) + instead;
    if (isWord(base)) return base;
  }
  return "";
}

/** Irregular forms and their bases. */
function irregularBases(): Map<string, string[]> {
  const bases = new Map<string, string[]>();
  for (const entry of IRREGULAR_FORMS.replaceAll("\n", "").split(";")) {
    const [base = "", ...forms] = entry.split(" ");
    for (const form of forms.map((brief) => written(base, brief))) bases.set(form, [...(bases.get(form) ?? []), base]);
  }
  return bases;
}

function written(base: string, brief: string): string {
  if (brief.startsWith("+")) return base + brief.slice(1);
  return brief.startsWith("-") ? base.slice(0, -1) + brief.slice(1) : brief;
}

/** The numbers at the end of a word's line: "child n 4 …15 pointers and counts… 09917593 09918248 …". */
function synsets(list: Buffer, word: string): number[] {
  const fields = lineOf(list, word)?.trimEnd().split(" ") ?? [];
  return fields.length === 0 ? [] : fields.slice(-Number(fields[2])).map(Number);
}

/** The line of a list that starts with a word, found by halving. Lines that start with a space are the licence, at the top. */
function lineOf(list: Buffer, word: string): string | undefined {
  if (word === "" || word.includes(" ")) return undefined;
  const wanted = Buffer.from(`${word} `);
  let [low, high] = [0, list.length];
  while (low < high) {
    const start = list.lastIndexOf("\n", Math.floor((low + high) / 2) - 1) + 1;
    const end = lineEnd(list, start);
    const order = list.subarray(start, start + wanted.length).compare(wanted);
    if (order === 0) return list.toString("latin1", start, end);
    if (order < 0) low = end + 1;
    else high = start;
  }
  return undefined;
}

function lineEnd(list: Buffer, start: number): number {
  const end = list.indexOf("\n", start);
  return end === -1 ? list.length : end;
}

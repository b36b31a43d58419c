/** Synonyms by WordNet 3.0, from the word lists of the package `wordnet`. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { IRREGULAR_FORMS } from "./irregularForms.js";
import { TextMetricError } from "./textMetric.js";

const require = createRequire(import.meta.url);

/** WordNet's word lists, sorted by bytes, one per part of speech. */
const LISTS = ["index.noun", "index.verb", "index.adj", "index.adv"];

/** Endings of regular forms and their replacement in the base, in the order in which METEOR tries them. */
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

/** The meanings that METEOR 1.5 gives words, as numbers of WordNet 3.0's synsets. */
export interface Meanings {
  /** The meanings of a lower-case word and of its base form; empty for words that WordNet lacks. */
  of(word: string): ReadonlySet<number>;
}

let loaded: Meanings | undefined;

/** Reads WordNet's word lists (6 MB) at the first call. @throws TextMetricError `WORDNET_MISSING` without the package `wordnet` */
export function meanings(): Meanings {
  loaded ??= wordnetMeanings(wordnetFolder());
  return loaded;
}

/**
 * Throws if METEOR would throw: call it before a long computation whose texts METEOR will score.
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
  // Synset numbers are offsets in a part of speech's file. Like METEOR, this does not distinguish parts of speech.
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

/** The first base that WordNet has, by the word's ending; the word itself if it ends in "ss" or has at most two letters. */
function regularBase(word: string, isWord: (base: string) => boolean): string {
  if (word.endsWith("ss") || word.length <= 2) return word;
  for (const [ending, instead] of ENDINGS) {
    if (!word.endsWith(ending)) continue;
    const base = word.slice(0, -ending.length) + instead;
    if (isWord(base)) return base;
  }
  return "";
}

/** The bases of irregular forms. */
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

/** The synset numbers at the end of a word's line: "child n 4 …pointers and counts… 09917593 09918248 …". */
function synsets(list: Buffer, word: string): number[] {
  const fields = lineOf(list, word)?.trimEnd().split(" ") ?? [];
  return fields.length === 0 ? [] : fields.slice(-Number(fields[2])).map(Number);
}

/** The line of a word, by binary search. Lines that start with a space are the license, at the top. */
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

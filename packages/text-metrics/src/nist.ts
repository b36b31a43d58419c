/** NIST, as the E2E challenge's version of mteval-v13a computes it. */
import { mtevalWords } from "./mtevalWords.js";
import { addCounts, inCommon, mostOften, type NgramCounts, ngramsUpTo } from "./ngrams.js";
import { once, perCorpus } from "./perCorpus.js";
import { atLeastOne, atLeastOneReference, MORE_IS_BETTER, type TextMetric } from "./textMetric.js";

const LONGEST = 5;

/** Makes the penalty 1/2 for texts of 2/3 of the references' length (Doddington 2002, equation 3). */
const BETA = Math.log(0.5) / Math.log(1.5) ** 2;

/** The counts of one row; index n − 1 of the lists is for n-grams. */
export interface NistRow {
  /** N-grams of the text that match a reference, clipped to the maximum count in any reference. */
  readonly hits: readonly NgramCounts[];
  /** The n-grams of all references together. */
  readonly references: readonly NgramCounts[];
  /** Words of the text. */
  readonly length: number;
  /** Words of all references together. */
  readonly referenceWords: number;
  /** How many references have a word. */
  readonly referenceCount: number;
}

/**
 * `nist` over all rows together, from 0, rarely above 15: for each n up to 5, the summed information of matching n-grams divided by
 * the number of n-grams in the texts, times a penalty for texts shorter than their references are on average (Doddington 2002,
 * equation 3). The information of an n-gram is log₂ of the count of its first n − 1 words over its own count, in all references of
 * the corpus. Words are mteval-v13a's.
 *
 * This is what the E2E challenge's script prints by default, which runs NIST's Perl program mteval-v13a, adapted to rows with
 * different numbers of references: the mean reference length is over all references of all rows. On 616 outputs like the
 * challenge's with a tenth of their words removed it gives 8.136. The challenge's Python program (`-p`) gives 7.930, since it averages
 * over each row's references first; an earlier version of the program, which divided by the largest number of references of a row,
 * gives 8.410. The three agree if all rows have the same number of references, or if texts are long.
 */
export function nist(): TextMetric<NistRow> {
  return {
    values: { nist: MORE_IS_BETTER },
    measure(references, prediction, row) {
      const words = mtevalWords(prediction);
      const known = atLeastOneReference(references, row).map(mtevalWords);
      const theirs = known.map((reference) => ngramsUpTo(reference, LONGEST));
      return {
        hits: ngramsUpTo(words, LONGEST).map((counts, n) =>
          inCommon(counts, mostOften(theirs.map((reference) => reference[n]!))),
        ),
        references: Array.from({ length: LONGEST }, (_, n) => together(theirs.map((reference) => reference[n]!))),
        length: words.length,
        referenceWords: known.reduce((sum, reference) => sum + reference.length, 0),
        referenceCount: known.filter(({ length }) => length > 0).length,
      };
    },
    result(rows, corpus = rows) {
      atLeastOne(rows.length);
      return { nist: corpusNist(rows, informationIn(corpus)) };
    },
  };
}

/** The information of a row's matches, summed for each n. */
type RowInformation = (row: NistRow) => readonly number[];

const informationIn = perCorpus<NistRow, RowInformation>((corpus) => {
  const counts = Array.from({ length: LONGEST }, (_, n) => together(corpus.map((row) => row.references[n]!)));
  const words = corpus.reduce((sum, row) => sum + row.referenceWords, 0);
  return once((row) => row.hits.map((hits) => information(hits, counts, words)));
});

function information(hits: NgramCounts, counts: readonly NgramCounts[], words: number): number {
  let sum = 0;
  for (const [ngram, hitCount] of hits) {
    const n = ngram.split(" ").length;
    const count = counts[n - 1]!.get(ngram);
    // Missing in the corpus' references only for rows that are not part of the corpus.
    if (count === undefined) continue;
    const first = ngram.slice(0, Math.max(0, ngram.lastIndexOf(" ")));
    // mteval-v13a treats a first word "0" as missing, since "0" is false in Perl.
    const before = first === "" || first === "0" ? words : counts[n - 2]!.get(first)!;
    sum += Math.log2(before / count) * hitCount;
  }
  return sum;
}

function together(texts: readonly NgramCounts[]): NgramCounts {
  const sums: NgramCounts = new Map();
  for (const text of texts) addCounts(sums, text);
  return sums;
}

function corpusNist(rows: readonly NistRow[], informationOf: RowInformation): number {
  const [gained, ngrams] = [new Array<number>(LONGEST).fill(0), new Array<number>(LONGEST).fill(0)];
  let [length, referenceWords, referenceCount] = [0, 0, 0];
  for (const row of rows) {
    const sums = informationOf(row);
    for (let n = 0; n < LONGEST; n++) {
      gained[n]! += sums[n]!;
      ngrams[n]! += Math.max(0, row.length - n);
    }
    length += row.length;
    referenceWords += row.referenceWords;
    referenceCount += row.referenceCount;
  }
  const score = gained.reduce((sum, bits, n) => sum + (ngrams[n] === 0 ? 0 : bits / ngrams[n]!), 0);
  const mean = referenceCount === 0 ? 0 : referenceWords / referenceCount;
  return score * lengthPenalty(length, mean * rows.length);
}

function lengthPenalty(length: number, referenceLength: number): number {
  if (length >= referenceLength) return 1;
  return length === 0 ? 0 : Math.exp(BETA * Math.log(length / referenceLength) ** 2);
}

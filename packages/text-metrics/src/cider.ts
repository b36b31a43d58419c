/** CIDEr-D, as pycocoevalcap computes it. */
import { addCounts, type NgramCounts, ngramsUpTo } from "./ngrams.js";
import { once, perCorpus } from "./perCorpus.js";
import { ptbWords } from "./ptbWords.js";
import { atLeastOne, atLeastOneReference, MORE_IS_BETTER, type TextMetric } from "./textMetric.js";

const LONGEST = 4;

/** The difference of lengths, in words, for which the penalty is e^(−1/2). */
const SIGMA = 6;

/** The n-grams of one text; index n − 1 is for n-grams. */
export interface CiderText {
  readonly ngrams: readonly NgramCounts[];
  /** The number of bigrams, which the length penalty compares. */
  readonly pairs: number;
}

/** The n-grams of one row. */
export interface CiderRow {
  readonly prediction: CiderText;
  readonly references: readonly CiderText[];
}

/**
 * `cider`, the mean over rows, in [0, 10]: ten times the similarity to the references of the row, averaged over references and over
 * n from 1 to 4. The similarity is the cosine of n-gram counts weighted by inverse document frequency, with counts clipped to the
 * reference's and a penalty for different lengths (CIDEr-D, Vedantam et al. 2015, section 6). A document is the set of references of
 * one row. This is what pycocoevalcap's `Cider` gives, which the E2E challenge's script calls; words are the Penn Treebank's without
 * punctuation. For a corpus of one row it is 0, since all document frequencies are equal.
 */
export function cider(): TextMetric<CiderRow> {
  return {
    values: { cider: MORE_IS_BETTER },
    measure(references, prediction, row) {
      const known = atLeastOneReference(references, row);
      return { prediction: ciderText(prediction), references: known.map(ciderText) };
    },
    result(rows, corpus = rows) {
      const count = atLeastOne(rows.length);
      const scoreOf = scoresIn(corpus);
      return { cider: rows.reduce((sum, row) => sum + scoreOf(row).score, 0) / count };
    },
  };
}

function ciderText(text: string): CiderText {
  const words = ptbWords(text);
  return { ngrams: ngramsUpTo(words, LONGEST), pairs: Math.max(0, words.length - 1) };
}

type Weight = (ngram: string) => number;

/** Weighted n-gram counts for one n, and their norm. */
interface Vector {
  readonly weighted: ReadonlyMap<string, number>;
  readonly norm: number;
}

const scoresIn = perCorpus<CiderRow, (row: CiderRow) => { readonly score: number }>((corpus) => {
  const rowsWith = documentFrequencies(corpus);
  const logRows = Math.log(corpus.length);
  const weight: Weight = (ngram) => logRows - Math.log(rowsWith.get(ngram) ?? 1);
  return once((row) => ({ score: rowScore(row, weight) }));
});

/** The number of rows with a reference that has the n-gram. */
function documentFrequencies(corpus: readonly CiderRow[]): NgramCounts {
  const frequencies: NgramCounts = new Map();
  for (const row of corpus) {
    const there = new Map<string, number>();
    for (const { ngrams } of row.references) {
      for (const counts of ngrams) for (const ngram of counts.keys()) there.set(ngram, 1);
    }
    addCounts(frequencies, there);
  }
  return frequencies;
}

function rowScore({ prediction, references }: CiderRow, weight: Weight): number {
  const ours = prediction.ngrams.map((counts) => vector(counts, weight));
  let sum = 0;
  for (const reference of references) {
    const theirs = reference.ngrams.map((counts) => vector(counts, weight));
    const penalty = Math.exp(-((prediction.pairs - reference.pairs) ** 2) / (2 * SIGMA ** 2));
    for (let n = 0; n < LONGEST; n++) sum += cosine(ours[n]!, theirs[n]!) * penalty;
  }
  return (10 * sum) / (LONGEST * references.length);
}

function vector(counts: NgramCounts, weight: Weight): Vector {
  const weighted = new Map<string, number>();
  let squares = 0;
  for (const [ngram, count] of counts) {
    const value = count * weight(ngram);
    weighted.set(ngram, value);
    squares += value ** 2;
  }
  return { weighted, norm: Math.sqrt(squares) };
}

/** The cosine of two vectors, with our counts clipped to theirs; 0 if one vector is 0. */
function cosine(ours: Vector, theirs: Vector): number {
  let product = 0;
  for (const [ngram, value] of ours.weighted) {
    const other = theirs.weighted.get(ngram) ?? 0;
    product += Math.min(value, other) * other;
  }
  return product === 0 ? 0 : product / (ours.norm * theirs.norm);
}

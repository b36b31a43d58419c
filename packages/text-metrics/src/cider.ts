import { addCounts, type NgramCounts, ngramsUpTo } from "./ngrams.js";
import { once, perCorpus } from "./perCorpus.js";
import { ptbWords } from "./ptbWords.js";
import { atLeastOne, atLeastOneReference, MORE_IS_BETTER, type TextMetric } from "./textMetric.js";

const LONGEST = 4;

/** Words by which lengths may differ before the penalty for it is e^(−1/2). */
const SIGMA = 6;

/** The n-grams of one text; index 0 is of single words. */
export interface CiderText {
  readonly ngrams: readonly NgramCounts[];
  /** Pairs of words, which the penalty for lengths counts. */
  readonly pairs: number;
}

/** What CIDEr is made of, for one row. */
export interface CiderRow {
  readonly prediction: CiderText;
  readonly references: readonly CiderText[];
}

/**
 * `cider`, the mean over rows, in [0, 10]: ten times the likeness to the references of a row, on the average over them and
 * over n-grams of 1 to 4 words. It is the cosine of n-gram counts weighted by inverse document frequency, where a count
 * is at most the reference's, and texts of other lengths lose (CIDEr-D, Vedantam et al. 2015, section 6). A document is
 * the references of one row together. It is what pycocoevalcap's `Cider` gives, which the E2E challenge's script calls;
 * words are those of the Penn Treebank without punctuation. It is 0 for a corpus of one row, whose n-grams tell nothing.
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

/** Counts by their weights, and their length as a vector; one n. */
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

/** In how many rows a reference has each n-gram. */
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

/** The cosine of two vectors, where ours counts for no more than theirs; 0 where one is. */
function cosine(ours: Vector, theirs: Vector): number {
  let product = 0;
  for (const [ngram, value] of ours.weighted) {
    const other = theirs.weighted.get(ngram) ?? 0;
    product += Math.min(value, other) * other;
  }
  return product === 0 ? 0 : product / (ours.norm * theirs.norm);
}

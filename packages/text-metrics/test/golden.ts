import { readFileSync } from "node:fs";
import type { TextMetric } from "../src/index.js";

/** Scores of some rows, by the public implementations. */
export interface GoldenCorpus {
  name: string;
  /** Which rows; one and the same may be in several corpora. */
  rows: number[];
  bleu: number;
  nist: number;
  meteor: number;
  rougeL: number;
  cider: number;
  /** For each row alone, but CIDEr's document frequencies and NIST's information, which are the corpus's. */
  each: { bleu: number[]; nist: number[]; meteor: number[]; rougeL: number[]; cider: number[] };
}

interface Golden {
  rows: {
    references: string[];
    prediction: string;
    mteval: string[];
    ptb: { references: string[]; prediction: string };
    meteorStatistics: number[];
  }[];
  /** Texts, and their words as pycocoevalcap's tokenizer has them. */
  lines: [text: string, words: string][];
  /** Texts, and their words as mteval-v13a has them. */
  mtevalWords: [text: string, words: string[]][];
  /** Texts, and their words as METEOR has them. */
  meteorWords: [text: string, words: string][];
  /** Words, and the numbers of their meanings in METEOR's dictionary. */
  meanings: [word: string, numbers: number[]][];
  corpora: GoldenCorpus[];
}

export const golden = JSON.parse(readFileSync(new URL("golden/texts.json", import.meta.url), "utf8")) as Golden;

/** What a metric measures of golden rows. */
export function measured<Measured>(metric: TextMetric<Measured>, rows: readonly number[]): Measured[] {
  return rows.map((row) => {
    const { references, prediction } = golden.rows[row]!;
    return metric.measure(references, prediction, row + 1);
  });
}

/** What a metric gives for texts and their references. */
export function over(metric: TextMetric, rows: readonly (readonly [prediction: string, ...references: string[]])[]) {
  return metric.result(rows.map(([prediction, ...references], row) => metric.measure(references, prediction, row + 1)));
}

import { type BleuRow, bleu } from "./bleu.js";
import { type CiderRow, cider } from "./cider.js";
import { type MeteorRow, meteor } from "./meteor.js";
import { type NistRow, nist } from "./nist.js";
import { rougeL } from "./rougeL.js";
import type { TextMetric } from "./textMetric.js";
import { perCorpus } from "./texts/perCorpus.js";

/** What the scores of texts are made of, for one row. */
export interface TextRow {
  readonly bleu: BleuRow;
  readonly nist: NistRow;
  readonly meteor: MeteorRow;
  readonly rougeL: number;
  readonly cider: CiderRow;
}

/**
 * The five scores of the E2E NLG challenge (Dušek et al. 2020, section 4.1), each in the unit that its script prints: `bleu`,
 * `nist`, `meteor`, `rougeL`, `cider`. Only NIST and CIDEr ask for a corpus.
 */
export function textScores(): TextMetric<TextRow> {
  const metrics = { bleu: bleu(), nist: nist(), meteor: meteor(), rougeL: rougeL(), cider: cider() };
  const columnsOf = perCorpus(columns);
  return {
    measure(references, prediction, row) {
      return {
        bleu: metrics.bleu.measure(references, prediction, row),
        nist: metrics.nist.measure(references, prediction, row),
        meteor: metrics.meteor.measure(references, prediction, row),
        rougeL: metrics.rougeL.measure(references, prediction, row),
        cider: metrics.cider.measure(references, prediction, row),
      };
    },
    result(rows, corpus = rows) {
      // One and the same columns for one corpus, so that what the metrics keep of it is found again.
      const [ours, all] = [rows === corpus ? columnsOf(rows) : columns(rows), columnsOf(corpus)];
      return {
        ...metrics.bleu.result(ours.bleu),
        ...metrics.nist.result(ours.nist, all.nist),
        ...metrics.meteor.result(ours.meteor),
        ...metrics.rougeL.result(ours.rougeL),
        ...metrics.cider.result(ours.cider, all.cider),
      };
    },
  };
}

/** The rows of each metric. */
function columns(rows: readonly TextRow[]) {
  return {
    bleu: rows.map((row) => row.bleu),
    nist: rows.map((row) => row.nist),
    meteor: rows.map((row) => row.meteor),
    rougeL: rows.map((row) => row.rougeL),
    cider: rows.map((row) => row.cider),
  };
}

import { bleu } from "./bleu.js";
import { cider } from "./cider.js";
import { meteor } from "./meteor.js";
import { nist } from "./nist.js";
import { rougeL } from "./rougeL.js";
import type { TextMetric } from "./textMetric.js";
import { together } from "./together.js";

/**
 * The five scores of the E2E NLG challenge (Dušek et al. 2020, section 4.1), each in the unit that its script prints: `bleu`,
 * `nist`, `meteor`, `rougeL`, `cider`. Only NIST and CIDEr ask for a corpus.
 */
export function textScores(): TextMetric<readonly unknown[]> {
  return together<readonly string[], string>(bleu(), nist(), meteor(), rougeL(), cider());
}

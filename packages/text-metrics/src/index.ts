/** The text metrics of the E2E NLG challenge (Dušek et al. 2020, section 4.1), in the units that its script prints. */
export { type BleuRow, bleu } from "./bleu.js";
export { type CiderRow, type CiderText, cider } from "./cider.js";
export { type MeteorRow, meteor } from "./meteor.js";
export type { NgramCounts } from "./ngrams.js";
export { type NistRow, nist } from "./nist.js";
export { once, perCorpus } from "./perCorpus.js";
export { rougeL } from "./rougeL.js";
export { type Goal, type TextMetric, TextMetricError } from "./textMetric.js";
export { requireWordnet } from "./wordnet.js";

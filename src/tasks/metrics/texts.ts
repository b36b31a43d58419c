/**
 * The registry of metrics of texts: each line here makes a metric public, and one of the scores that generated texts are reported with.
 */
export { chrf, chrfPlusPlus } from "./chrf.js";
export { bleu, cider, meteor, nist, rougeL } from "./textMetrics.js";

export { accuracy } from "./accuracy.js";
export { type BleuRow, bleu } from "./bleu.js";
export { bootstrapIntervals, type Interval } from "./bootstrap.js";

export { type CiderRow, type CiderText, cider } from "./cider.js";
export { entityScores } from "./entityScores.js";
export { f1, macroF1, precision, recall } from "./f1.js";
export { type Foretold, foretelling } from "./foretelling.js";
export { matthewsCorrelation } from "./matthewsCorrelation.js";
export { meanSquaredError } from "./meanSquaredError.js";
export { type Metric, readingFrom, score, together } from "./metric.js";
export { type MeteorRow, meteor } from "./meteor.js";
export { type Metric, together } from "./metric.js";
export { type LabelSet, labelScores, subsetAccuracy } from "./multiLabel.js";
export { type NistRow, nist } from "./nist.js";
export { pearson } from "./pearson.js";
export { rougeL } from "./rougeL.js";
export { spearman } from "./spearman.js";
export { squad } from "./squad.js";
export type { TagScheme } from "./strictEntities.js";
export type { TextMetric } from "./textMetric.js";
export { textScores } from "./textScores.js";

export type { Metric as RowMetric, TextMetric } from "./textMetric.js";
export { type TextRow, textScores } from "./textScores.js";
export type { NgramCounts } from "./texts/ngrams.js";
export { type PredictedWordLabels, type WordLabels, wordAccuracy } from "./words.js";

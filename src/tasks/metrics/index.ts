/** The public metrics. */
export type { BleuRow, CiderRow, CiderText, MeteorRow, NgramCounts, NistRow } from "@bidora/text-metrics";
export type { Goal } from "../../base/records/index.js";
export type { ClassHit, ClassPair } from "./classes.js";
export { combineMetrics, mapPrediction } from "./combineMetrics.js";
export { type ConfidenceInterval, type ConfidenceIntervals, confidenceIntervals } from "./confidenceIntervals.js";
export { type EntityRules, entityRulesOf, mixesEnds, type TagScheme } from "./entities.js";
export { type LabelSet, type LabelSets, labelScores, subsetAccuracy } from "./labelSets.js";
export { type Metric, type MetricValue, type OverRows, type Sums, score } from "./metric.js";
export * from "./named.js";
export type { NumberPair } from "./numbers.js";
export type { BootstrapOptions } from "./resampling.js";
export { type QueryRanks, retrieval } from "./retrieval.js";
export type { Counts } from "./scores.js";
export { type AnswerScores, squad } from "./squad.js";
export type { Interval } from "./statistics.js";
export { bleu, cider, meteor, nist, rougeL, type TextMetric, textScores } from "./textMetrics.js";
export { type PredictedTokens, tokenPrediction } from "./tokenPrediction.js";
export {
  type EntityCounts,
  entityScores,
  type PredictedWordLabels,
  type WordHits,
  type WordLabels,
  wordAccuracy,
} from "./wordLabels.js";

/** The public metrics. */
export type { BleuRow, CiderRow, CiderText, MeteorRow, NgramCounts, NistRow } from "@bidora/text-metrics";
export type { Goal } from "../../base/records/index.js";
export type { ClassHit, ClassPair } from "./classes.js";
export { type LabelSet, type LabelSets, labelScores, subsetAccuracy } from "./labelSets.js";
export * from "./named.js";
export type { NumberPair } from "./numbers.js";
export { combineMetrics, mapPrediction } from "./parts/combineMetrics.js";
export { type ConfidenceInterval, type ConfidenceIntervals, confidenceIntervals } from "./parts/confidenceIntervals.js";
export { type EntityRules, entityRulesOf, mixesEnds, type TagScheme } from "./parts/entities.js";
export { type Metric, type MetricValue, type OverRows, type Sums, score } from "./parts/metric.js";
export type { BootstrapOptions } from "./parts/resampling.js";
export type { RowChanges } from "./parts/rowChanges.js";
export type { Counts } from "./parts/scores.js";
export type { Interval } from "./parts/statistics.js";
export type { PredictedTokens } from "./parts/sums.js";
export { type QueryValues, reranking } from "./reranking.js";
export { type QueryRanks, retrieval } from "./retrieval.js";
export { type AnswerScores, squad } from "./squad.js";
export { type TextMetric, textScores } from "./textMetrics.js";
export * from "./texts.js";
export { tokenPrediction } from "./tokenPrediction.js";
export {
  type EntityCounts,
  entityScores,
  type PredictedWordLabels,
  type WordHits,
  type WordLabels,
  wordAccuracy,
} from "./wordLabels.js";

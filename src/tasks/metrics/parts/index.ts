export { type MeasuredExamples, partWith } from "./combineMetrics.js";
export { entitiesBy, entityKey, entityRulesOf } from "./entities.js";
export { atLeastOne, LOWER_IS_BETTER, type OverRows, score } from "./metric.js";
export { averageRanks } from "./ranks.js";
export { areEnough, type BootstrapOptions, bootstrapSamples, checkBootstrap, resultOfSample } from "./resampling.js";
export { rowChanges } from "./rowChanges.js";
export { type Counts, emptyCounts, type Scores, scoresOf } from "./scores.js";
export { type Interval, normalCdf, normalQuantile, percentiles } from "./statistics.js";
export { overSums, tokenSums } from "./sums.js";

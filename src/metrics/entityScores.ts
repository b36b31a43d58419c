import { type Entity, lenientEntities } from "./entities.js";
import { type Counts, emptyCounts, macroScores, microScores, type Scores, scoresOf } from "./scores.js";
import { strictEntities, type TagScheme } from "./strictEntities.js";
import { alignWords, type PredictedWordLabels, type WordLabels } from "./tokens.js";

/** Scores over whole entities: a hit has the same type, first and last word as the reference. */
export interface EntityScores {
  readonly micro: Scores;
  readonly macro: Scores;
  /** By entity type, sorted by name. */
  readonly byType: ReadonlyMap<string, Scores & { readonly support: number }>;
}

/**
 * Entity precision, recall and F1 over all rows, as seqeval gives them: by the lenient rules without a scheme, by
 * `mode="strict"` with one. A word that was cut off counts as outside. All 0 where neither side has an entity.
 * Throws METRIC_ROWS, and METRIC_TAG for tags outside the scheme.
 */
export function entityScores(
  references: readonly WordLabels[],
  predictions: readonly PredictedWordLabels[],
  scheme?: TagScheme,
): EntityScores {
  const find = (tags: readonly string[]) => (scheme ? strictEntities(tags, scheme) : lenientEntities(tags));
  const types = new Map<string, Counts>();
  for (const [row, guesses] of alignWords(references, predictions).entries()) {
    countRow(types, find(references[row]!), find(guesses.map((label) => label ?? "O")));
  }
  const sorted = [...types].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    micro: microScores(types.values()),
    macro: macroScores(types.values()),
    byType: new Map(sorted.map(([type, counts]) => [type, { ...scoresOf(counts), support: counts.actual }])),
  };
}

function countRow(types: Map<string, Counts>, actual: readonly Entity[], predicted: readonly Entity[]): void {
  const countsOf = (type: string) => {
    const counts = types.get(type) ?? emptyCounts();
    types.set(type, counts);
    return counts;
  };
  const key = ({ type, start, end }: Entity) => `${start} ${end} ${type}`;
  const known = new Set(actual.map(key));
  for (const entity of actual) countsOf(entity.type).actual++;
  for (const entity of predicted) {
    countsOf(entity.type).predicted++;
    if (known.has(key(entity))) countsOf(entity.type).truePositives++;
  }
}

import { atLeastOne } from "./checks.js";
import type { Entity } from "./entities.js";
import { type Metric, MORE_IS_BETTER, type Sums } from "./metric.js";
import { addCounts, COUNTS, type Counts, countsIn, scoresOf } from "./scores.js";
import { overSums } from "./sums.js";
import { type EntityRules, entitiesBy } from "./tags.js";
import { alignWords, type PredictedWordLabels, type WordLabels } from "./words.js";

/** A row's entities. */
export interface EntityCounts extends Counts {
  /** Some of its reference labels, other than O, are in no entity, as a strict scheme reads them; never so by the lenient rules. */
  readonly isBroken: boolean;
}

/**
 * `precision`, `recall` and `f1` of entities over all rows together, as seqeval gives them: a hit has the same type, first
 * and last word as the reference. By the lenient rules, or by `mode="strict"` of a scheme. A word that was cut off counts as
 * outside. All 0 where neither side has an entity.
 * Throws METRIC_ROWS for a row with more predictions than words, and METRIC_TAG for tags outside the scheme.
 */
export function entityScores(rules: EntityRules = "lenient"): Metric<WordLabels, PredictedWordLabels, EntityCounts> {
  const scores = overSums<WordLabels, PredictedWordLabels, EntityCounts>(
    { precision: MORE_IS_BETTER, recall: MORE_IS_BETTER, f1: MORE_IS_BETTER },
    (labels, predicted, row) => {
      const guesses = alignWords(labels, predicted, row);
      const known = entitiesBy(rules, labels);
      const actual = new Set(known.map(key));
      const found = entitiesBy(
        rules,
        guesses.map((label) => label ?? "O"),
      ).map(key);
      const truePositives = found.filter((entity) => actual.has(entity)).length;
      return {
        truePositives,
        predicted: found.length,
        actual: actual.size,
        isBroken: rules !== "lenient" && !covers(known, labels),
      };
    },
    () => OF_COUNTS,
  );
  return { ...scores, notes: (rows) => notesOf(rules, rows) };
}

/** Whether all labels but O are in some entity. */
const covers = (entities: readonly Entity[], labels: WordLabels): boolean =>
  labels.every(
    (label, word) => label.startsWith("O") || entities.some(({ start, end }) => start <= word && word < end),
  );

function notesOf(rules: EntityRules, rows: readonly EntityCounts[]): string[] {
  const broken = rows.filter(({ isBroken }) => isBroken).length;
  if (broken === 0) return [];
  return [
    `The labels are read as ${rules}, which the references of ${broken} of ${rows.length} rows break: of those, entities that are not begun and ended as it says are not counted.`,
  ];
}

const OF_COUNTS: Sums<EntityCounts> = {
  width: COUNTS,
  add: (counts, sums) => addCounts(counts, sums),
  result(sums, rows) {
    atLeastOne(rows);
    return { ...scoresOf(countsIn(sums)) };
  },
};

const key = ({ type, start, end }: Entity): string => `${start} ${end} ${type}`;

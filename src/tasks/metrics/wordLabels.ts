/** Metrics of one label per word: accuracy over words, and precision, recall and F1 of entities. */
import { BidoraError } from "../../base/index.js";
import { type Entity, type EntityRules, entitiesBy, entityKey } from "./parts/entities.js";
import { atLeastOne, HIGHER_IS_BETTER, type Metric, type Sums } from "./parts/metric.js";
import { addCounts, COUNTS, type Counts, countsIn, scoresOf } from "./parts/scores.js";
import { overSums } from "./parts/sums.js";

/** The reference labels of one example's words. */
export type WordLabels = readonly string[];

/** The predicted labels of one example's words; null, or missing at the end, for words that were truncated. */
export type PredictedWordLabels = readonly (string | null)[];

/** An example's words, and how many of them have the correct label. */
export interface WordHits {
  readonly words: number;
  readonly right: number;
}

/**
 * `accuracy` over words: the share with the correct label; a truncated word counts as wrong.
 * Throws METRIC_ROWS for an example with more predictions than words, and for no words at all.
 */
export function wordAccuracy(): Metric<WordLabels, PredictedWordLabels, WordHits> {
  return overSums(
    { accuracy: { ...HIGHER_IS_BETTER, kind: "words" } },
    (labels, predicted, example) => {
      const guesses = alignWords(labels, predicted, example);
      return { words: labels.length, right: labels.filter((label, word) => label === guesses[word]).length };
    },
    () => ({
      width: 2,
      add({ words, right }, sums) {
        sums[0]! += words;
        sums[1]! += right;
      },
      result: ([words, right]) => ({ accuracy: right! / atLeastOne(words!) }),
    }),
  );
}

/** An example's entities. */
export interface EntityCounts extends Counts {
  /** Whether reference labels other than O are in no entity because they break the strict scheme; false for the lenient rules. */
  readonly isBroken: boolean;
}

/**
 * `precision`, `recall` and `f1` of entities over all examples together, as seqeval: a true positive has the type, first and last word
 * of a reference entity. Entities are read by the lenient rules, or as `mode="strict"` by a scheme. A truncated word counts as
 * outside. All three are 0 if there are no entities.
 * Throws METRIC_ROWS for an example with more predictions than words, and METRIC_TAG for tags outside the scheme.
 */
export function entityScores(rules: EntityRules = "lenient"): Metric<WordLabels, PredictedWordLabels, EntityCounts> {
  const scores = overSums<WordLabels, PredictedWordLabels, EntityCounts>(
    { precision: OF_ENTITIES, recall: OF_ENTITIES, f1: OF_ENTITIES },
    (labels, predicted, example) => {
      const guesses = alignWords(labels, predicted, example);
      const known = entitiesBy(rules, labels);
      const actual = new Set(known.map(entityKey));
      const found = entitiesBy(
        rules,
        guesses.map((label) => label ?? "O"),
      ).map(entityKey);
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
  return { ...scores, notes: (examples) => notesOf(rules, examples) };
}

const OF_ENTITIES = { ...HIGHER_IS_BETTER, kind: "entities" };

const OF_COUNTS: Sums<EntityCounts> = {
  width: COUNTS,
  add: (counts, sums) => addCounts(counts, sums),
  result(sums, examples) {
    atLeastOne(examples);
    return { ...scoresOf(countsIn(sums)) };
  },
};

/** Whether all labels but O are in some entity. */
const covers = (entities: readonly Entity[], labels: WordLabels): boolean =>
  labels.every(
    (label, word) => label.startsWith("O") || entities.some(({ start, end }) => start <= word && word < end),
  );

function notesOf(rules: EntityRules, examples: readonly EntityCounts[]): string[] {
  const broken = examples.filter(({ isBroken }) => isBroken).length;
  if (broken === 0) return [];
  return [
    `The labels are read as ${rules}, but the references of ${broken} of ${examples.length} rows violate that scheme: their malformed entities are not counted.`,
  ];
}

/** A prediction for every word of an example, null for truncated words. @throws BidoraError `METRIC_ROWS` for too many predictions */
function alignWords(labels: WordLabels, guesses: PredictedWordLabels, example: number): (string | null)[] {
  if (guesses.length > labels.length) {
    throw new BidoraError(
      "METRIC_ROWS",
      `Expected at most ${labels.length} predicted labels in row ${example}, got ${guesses.length}; give one per word.`,
    );
  }
  return labels.map((_, word) => guesses[word] ?? null);
}

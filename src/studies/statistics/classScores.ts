/** Precision, recall and F1 of single classes, labels and entity types, and confusion matrices. */
import {
  type Counts,
  emptyCounts,
  entitiesBy,
  entityKey,
  entityRulesOf,
  type Scores,
  scoresOf,
} from "../../tasks/index.js";

/** The scores of one class, label or entity type against the rest; undefined scores are 0, as in scikit-learn. */
export interface ClassScores extends Scores {
  readonly name: string;
  /** How often it is the reference, scikit-learn's `support`. */
  readonly support: number;
}

/** Counts by class, created on first use. */
class CountsByName {
  readonly #counts = new Map<string, Counts>();

  of(name: string): Counts {
    const counts = this.#counts.get(name) ?? emptyCounts();
    this.#counts.set(name, counts);
    return counts;
  }

  scores(): ClassScores[] {
    return [...this.#counts].map(([name, counts]) => ({ name, support: counts.actual, ...scoresOf(counts) }));
  }
}

/** The reference and predicted class of a row, or of a word. */
export interface Classified {
  readonly reference: string;
  /** Null if there is no prediction. */
  readonly prediction: string | null;
}

/** Scores of each class. @param names classes to include even if they do not occur, in this order */
export function classScores(names: readonly string[], rows: readonly Classified[]): ClassScores[] {
  const counts = new CountsByName();
  for (const name of names) counts.of(name);
  for (const { reference, prediction } of rows) {
    counts.of(reference).actual++;
    if (prediction !== null) counts.of(prediction).predicted++;
    if (reference === prediction) counts.of(reference).truePositives++;
  }
  return counts.scores();
}

/** The confusion matrix of the named classes: references by row, predictions by column. */
export function confusion(names: readonly string[], rows: readonly Classified[]): number[][] {
  const places = new Map(names.map((name, place) => [name, place]));
  const matrix = names.map(() => names.map(() => 0));
  for (const { reference, prediction } of rows) {
    const [row, column] = [places.get(reference), prediction === null ? undefined : places.get(prediction)];
    if (row !== undefined && column !== undefined) matrix[row]![column]!++;
  }
  return matrix;
}

/** Scores of each label, for rows with any number of labels. */
export function scoresByLabel(
  names: readonly string[],
  rows: readonly { readonly reference: readonly string[]; readonly prediction: readonly string[] }[],
): ClassScores[] {
  const counts = new CountsByName();
  for (const name of names) counts.of(name);
  for (const { reference, prediction } of rows) {
    const found = new Set(prediction);
    for (const name of reference) {
      counts.of(name).actual++;
      if (found.has(name)) counts.of(name).truePositives++;
    }
    for (const name of found) counts.of(name).predicted++;
  }
  return counts.scores();
}

/**
 * Scores of each entity type: a true positive has the type and both ends of a reference entity. Undefined if the tags mark no
 * entities.
 * @param labels the model's labels, which determine the tagging scheme, as for the metric over all types: the rows alone may not
 */
export function entityTypeScores(
  rows: readonly { readonly reference: readonly string[]; readonly prediction: readonly (string | null)[] }[],
  labels: readonly string[],
): ClassScores[] | undefined {
  const tags = new Set([...labels, ...rows.flatMap(({ reference, prediction }) => [...reference, ...prediction])]);
  const rules = entityRulesOf([...tags].filter((tag) => tag !== null));
  if (!rules) return undefined;
  const counts = new CountsByName();
  for (const { reference, prediction } of rows) {
    const actual = entitiesBy(rules, reference);
    const there = new Set(actual.map(entityKey));
    for (const { type } of actual) counts.of(type).actual++;
    // A word without a prediction counts as outside.
    const guesses = reference.map((_, word) => prediction[word] ?? "O");
    for (const entity of entitiesBy(rules, guesses)) {
      counts.of(entity.type).predicted++;
      if (there.has(entityKey(entity))) counts.of(entity.type).truePositives++;
    }
  }
  return counts.scores().sort((a, b) => (a.name < b.name ? -1 : 1));
}

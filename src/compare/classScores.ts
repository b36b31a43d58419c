import { entitiesBy, entityKey, entityRulesOf } from "../metrics/entities.js";
import { type Counts, emptyCounts, type Scores, scoresOf } from "../metrics/scores.js";

/** How well one class, label or type of entity is told from the rest; what is undefined is 0, as in scikit-learn. */
export interface ClassScores extends Scores {
  readonly name: string;
  /** How often it is the reference. */
  readonly support: number;
}

/** Counts by class, each made when it first comes up. */
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

/** What a row, or a word of one, is and what it was taken for. */
export interface Classified {
  readonly reference: string;
  /** Null where nothing was said of it. */
  readonly prediction: string | null;
}

/** Scores of each class that either side has. @param names all classes, in the order in which they are wanted */
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

/** How often rows of each class (first index) were taken for each class (second), of the named classes alone. */
export function confusion(names: readonly string[], rows: readonly Classified[]): number[][] {
  const places = new Map(names.map((name, place) => [name, place]));
  const matrix = names.map(() => names.map(() => 0));
  for (const { reference, prediction } of rows) {
    const [row, column] = [places.get(reference), prediction === null ? undefined : places.get(prediction)];
    if (row !== undefined && column !== undefined) matrix[row]![column]!++;
  }
  return matrix;
}

/** Scores of each label, where rows have any number of them. */
export function labelScores(
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
 * Scores of each type of entity: a hit has the type and both ends of the reference. Undefined where the tags mark no entities.
 * @param labels the model's, which decide the scheme as for the metric of all types: the rows may lack the tags that tell it
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
    // A word of which nothing is said counts as outside.
    const guesses = reference.map((_, word) => prediction[word] ?? "O");
    for (const entity of entitiesBy(rules, guesses)) {
      counts.of(entity.type).predicted++;
      if (there.has(entityKey(entity))) counts.of(entity.type).truePositives++;
    }
  }
  return counts.scores().sort((a, b) => (a.name < b.name ? -1 : 1));
}

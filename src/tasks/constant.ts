/**
 * Whether predictions are the same whatever the example: one label for every example or word, one set of labels, one number. False for fewer
 * than two of them, and for predictions of other kinds, such as texts and embeddings.
 */
export function isConstant(predictions: readonly object[]): boolean {
  const decided = predictions.map(decisionsOf);
  return predictions.length > 1 && !decided.includes(undefined) && new Set(decided.flat()).size === 1;
}

type Decision = { readonly [K in "value" | "label" | "labels" | "tokens"]?: unknown };

/** What a prediction decides: a number, a label, a set of labels, or a label for each word that has one. */
function decisionsOf({ value, label, labels, tokens }: Decision): readonly unknown[] | undefined {
  if (!Array.isArray(labels)) return (label ?? value) === undefined ? undefined : [label ?? value];
  return tokens === undefined ? [JSON.stringify(labels)] : labels.filter((one) => one !== null);
}

/**
 * The mean cross-entropy, over examples of these classes, of always predicting the shares that the known classes have: what a model without
 * any input reaches. Infinite if a class is not among the known ones.
 */
export function lossOfShares(known: readonly number[], classes: readonly number[]): number {
  const counts = countsOf(known);
  const losses = Array.from(
    countsOf(classes),
    ([id, count]) => -count * Math.log((counts.get(id) ?? 0) / known.length),
  );
  return losses.reduce((sum, loss) => sum + loss, 0) / classes.length;
}

function countsOf(classes: readonly number[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const id of classes) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

/** The mean squared error of always predicting the mean of the known numbers. */
export function lossOfMean(known: readonly number[], numbers: readonly number[]): number {
  // Without rounding where all numbers are the same.
  const [first = 0] = known;
  const mean = first + meanOf(known.map((number) => number - first));
  return meanOf(numbers.map((number) => (number - mean) ** 2));
}

const meanOf = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

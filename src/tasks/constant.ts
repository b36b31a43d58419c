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
  const mean = exactMean(known);
  return meanOf(numbers.map((number) => (number - mean) ** 2));
}

/** The mean, without rounding where all numbers are the same. */
export function exactMean(numbers: readonly number[]): number {
  const [first = 0] = numbers;
  return first + meanOf(numbers.map((number) => number - first));
}

const meanOf = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

/** The class that occurs most often; of several the first by id. Undefined for no classes. */
export function mostFrequent(classes: readonly number[]): number | undefined {
  const counts = [...countsOf(classes)].sort(([a], [b]) => a - b);
  const most = Math.max(...counts.map(([, count]) => count));
  return counts.find(([, count]) => count === most)?.[0];
}

/**
 * The set of labels that has the highest micro-averaged F1 on the known examples if it is predicted for each of them. With k labels F1 is
 * 2·(their occurrences) / (k·examples + all occurrences), so the best k are the most frequent ones, and only their number is to be found.
 * @param known 0 or 1 for each label
 * @returns the labels' ids in order; none if no example has a label
 */
export function bestLabelSet(known: readonly (readonly number[])[]): number[] {
  const counts = (known[0] ?? []).map((_, id) => known.reduce((sum, target) => sum + target[id]!, 0));
  const all = counts.reduce((sum, count) => sum + count, 0);
  const order = counts.map((_, id) => id).sort((a, b) => counts[b]! - counts[a]! || a - b);
  let [hits, best, size] = [0, 0, 0];
  for (const [place, id] of order.entries()) {
    hits += counts[id]!;
    const f1 = (2 * hits) / ((place + 1) * known.length + all);
    if (f1 > best) [best, size] = [f1, place + 1];
  }
  return order.slice(0, size).sort((a, b) => a - b);
}

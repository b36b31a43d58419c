/**
 * Whether predictions are the same whatever the row: one label for every row or word, one set of labels, one number. False for fewer
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

/**
 * Keeps what follows from a whole corpus, so that many samples of one corpus cost it once. It is worked out anew when rows
 * were added to the array or taken away.
 */
export function perCorpus<Row, Value>(make: (corpus: readonly Row[]) => Value): (corpus: readonly Row[]) => Value {
  const known = new WeakMap<readonly Row[], { readonly rows: number; readonly value: Value }>();
  return (corpus) => {
    const found = known.get(corpus);
    if (found?.rows === corpus.length) return found.value;
    const value = make(corpus);
    known.set(corpus, { rows: corpus.length, value });
    return value;
  };
}

/** A function of an object that is worked out once an object, and forgotten with it. */
export function once<Key extends object, Value extends object>(make: (key: Key) => Value): (key: Key) => Value {
  const known = new WeakMap<Key, Value>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const value = make(key);
    known.set(key, value);
    return value;
  };
}

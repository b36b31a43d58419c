/** Caches, by which many samples of a corpus share its statistics. */
/** Caches a value computed from a whole corpus, which many samples of it share. It is recomputed when the number of rows has changed. */
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

/** Caches a function of an object for as long as the object lives. */
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

/** The first of names that came before; undefined where each comes once. */
export const firstRepeated = (names: readonly string[]): string | undefined =>
  names.find((name, i) => names.indexOf(name) !== i);

// Small helpers on tables, lists of names and arrays of numbers.

/** What a table has under a name that comes from a file or a user: never what every object has (`constructor`, `__proto__`). */
export const own = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

/** The first of names that came before; undefined where each comes once. */
export const firstRepeated = (names: readonly string[]): string | undefined =>
  names.find((name, i) => names.indexOf(name) !== i);

/** The index of the largest value; the first of several. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}

/** The sizes of so many parts of `count` things, as equal as possible: the first ones are one larger, as numpy's `array_split` has it. */
export function evenSizes(count: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, i) => Math.floor(count / parts) + (i < count % parts ? 1 : 0));
}

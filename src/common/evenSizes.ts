/** The sizes of so many parts of `count` things, as equal as possible: the first ones are one larger, as numpy's `array_split` has it. */
export function evenSizes(count: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, i) => Math.floor(count / parts) + (i < count % parts ? 1 : 0));
}

/** From the least value to the largest, with some room around them, also where they are all one. */
export function around(values: readonly number[]): readonly [number, number] {
  const least = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const room = 0.08 * (most - least) || 0.05 * Math.abs(most) || 1;
  return [least - room, most + room];
}

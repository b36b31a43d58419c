import * as Plot from "@observablehq/plot";

interface Room {
  /** Pixels within which one mark hides another. */
  readonly near: number;
  /** Pixels of a band that its marks may take up. */
  readonly room: number;
}

/** Stacks the marks of a band that would overlap. */
export function apart<T extends object>(options: T, room: Room): T {
  return Plot.initializer(options, (_data, _facets, channels, scales) => {
    const places = (key: "x" | "y") =>
      Array.from(channels[key]!.value as Iterable<unknown>, (value) => scales[key]!(value) as number);
    const [x, y] = [places("x"), places("y")];
    const moved = offsets(x, y, room).map((offset, i) => y[i]! + offset);
    return { channels: { x: { value: x }, y: { value: moved } } };
  }) as unknown as T;
}

/** How far each mark is moved: 0 where none of its band is near. */
export function offsets(x: readonly number[], y: readonly number[], { near, room }: Room): number[] {
  const moved = x.map(() => 0);
  for (const heap of heaps(x, y, near)) {
    const step = Math.min(near, room / Math.max(1, heap.length - 1));
    for (const [k, i] of heap.entries()) moved[i] = step * (k - (heap.length - 1) / 2);
  }
  return moved;
}

/** Marks of one band in a row, each near the one before. */
function heaps(x: readonly number[], y: readonly number[], near: number): number[][] {
  const order = x.map((_, i) => i).sort((a, b) => y[a]! - y[b]! || x[a]! - x[b]!);
  const found: number[][] = [];
  for (const i of order) {
    const last = found.at(-1)?.at(-1);
    if (last !== undefined && y[last] === y[i] && x[i]! - x[last]! < near) found.at(-1)!.push(i);
    else found.push([i]);
  }
  return found;
}

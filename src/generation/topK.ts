/**
 * The indices of the largest values, largest first; of equal ones the first come first. A heap holds the best so far, the worst of
 * them at its top.
 */
export function topK(values: Float32Array, k: number): Int32Array {
  const heap = new Int32Array(Math.min(k, values.length));
  const isWorse = (a: number, b: number) => {
    const [x, y] = [values[a] as number, values[b] as number];
    return x < y || (x === y && a > b);
  };
  for (let i = 0; i < heap.length; i++) heap[i] = i;
  for (let i = heap.length >> 1; i >= 0; i--) sink(heap, i, isWorse);
  for (let i = heap.length; i < values.length; i++) {
    if ((values[i] as number) <= (values[heap[0] as number] as number)) continue;
    heap[0] = i;
    sink(heap, 0, isWorse);
  }
  return heap.sort((a, b) => (isWorse(a, b) ? 1 : -1));
}

function sink(heap: Int32Array, start: number, isWorse: (a: number, b: number) => boolean): void {
  const moved = heap[start] as number;
  let hole = start;
  for (;;) {
    let child = 2 * hole + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isWorse(heap[child + 1] as number, heap[child] as number)) child++;
    if (!isWorse(heap[child] as number, moved)) break;
    heap[hole] = heap[child] as number;
    hole = child;
  }
  heap[hole] = moved;
}

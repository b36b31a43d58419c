/** Philox 4x32 with 7 rounds, word by word: what the kernels compute 16 counters at a time. */
export function philox(counter: readonly number[], seed: number): number[] {
  let c = counter.map((word) => BigInt(word >>> 0));
  let k0 = BigInt(seed) & 0xffffffffn;
  let k1 = BigInt(seed) >> 32n;
  for (let round = 0; round < 7; round++) {
    const [c0 = 0n, c1 = 0n, c2 = 0n, c3 = 0n] = c;
    const first = c0 * 0xd2511f53n;
    const second = c2 * 0xcd9e8d57n;
    c = [(second >> 32n) ^ c1 ^ k0, second & 0xffffffffn, (first >> 32n) ^ c3 ^ k1, first & 0xffffffffn];
    k0 = (k0 + 0x9e3779b9n) & 0xffffffffn;
    k1 = (k1 + 0xbb67ae85n) & 0xffffffffn;
  }
  return c.map(Number);
}

import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** A function that shuffles arrays in place; the same seed and stream give the same orders. */
export function shuffler(seed: number, stream: number): <T>(items: T[]) => T[] {
  // Multiplying by odd constants spreads neighbouring seeds and streams over all 32 bits.
  const random = xoroshiro128plus(Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b));
  return (items) => {
    for (let i = items.length - 1; i > 0; i--) {
      const j = uniformInt(random, 0, i);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  };
}

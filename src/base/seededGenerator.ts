import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus, xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { aNumber, checkArguments } from "./arguments.js";

/** A random generator for a seed of up to 53 bits and a stream number; different pairs give unrelated sequences. */
export function seededGenerator(seed: number, stream: number): RandomGenerator {
  const high = Math.floor(seed / 2 ** 32);
  // Multiplying by odd constants spreads neighboring seeds and streams over all 32 bits.
  const mixed = Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b) ^ Math.imul(high, 0xc2b2ae35);
  // The generator's seed has 32 bits; the upper bits of a longer seed go into a state word that is otherwise 0.
  const [s01, s00, s11] = xoroshiro128plus(mixed).getState() as [number, number, number, number];
  return xoroshiro128plusFromState([s01, s00, s11, high]);
}

/** A function that shuffles arrays in place; the same seed and stream give the same order. */
export function shuffler(seed: number, stream: number): <T>(items: T[]) => T[] {
  const random = seededGenerator(seed, stream);
  return (items) => {
    for (let i = items.length - 1; i > 0; i--) {
      const j = uniformInt(random, 0, i);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  };
}

/** Numbers of at least 0 and below 1, one a call; the same seed and stream give the same ones. */
export function uniforms(seed: number, stream: number): () => number {
  checkArguments("uniforms", ["seed", seed, aNumber], ["stream", stream, aNumber]);
  const random = seededGenerator(seed, stream);
  return () => uniformFloat64(random);
}

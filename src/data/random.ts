import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { aNumber, checkArguments } from "../common/arguments.js";
import { seededGenerator } from "../common/seededGenerator.js";

/** A function that shuffles arrays in place; the same seed and stream give the same orders. */
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

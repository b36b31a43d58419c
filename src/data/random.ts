import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { aNumber, checkArguments } from "../common/arguments.js";
import { seededGenerator } from "../common/seededGenerator.js";

/** Numbers of at least 0 and below 1, one a call; the same seed and stream give the same ones. */
export function uniforms(seed: number, stream: number): () => number {
  checkArguments("uniforms", ["seed", seed, aNumber], ["stream", stream, aNumber]);
  const random = seededGenerator(seed, stream);
  return () => uniformFloat64(random);
}

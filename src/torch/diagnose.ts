import type { DType } from "./dtype.js";
import { blasWarning, type EngineFacts, engineFacts, hasFastBfloat16 } from "./engine.js";
import { mm, ones } from "./generated/operators.js";
import { scope } from "./ownership.js";

/** What `diagnose` found. */
export type Diagnosis = EngineFacts & {
  readonly fastBfloat16: boolean;
  /** Measured speed of a matrix product, in 10^9 operations a second. */
  readonly gigaflops: { readonly float32: number; readonly bfloat16: number };
  /** What to mend, a sentence each. */
  readonly problems: readonly string[];
};

const SIZE = 512;
const MEASURE_MS = 150;

/** What the engine is, how fast it is, and what is wrong with it. Takes half a second. */
export function diagnose(): Diagnosis {
  const facts = engineFacts();
  const warning = blasWarning(facts);
  return {
    ...facts,
    fastBfloat16: hasFastBfloat16(),
    gigaflops: { float32: measure("float32"), bfloat16: measure("bfloat16") },
    problems: warning ? [warning] : [],
  };
}

/** The best of the products that fit into the time: the others were disturbed. */
function measure(dtype: DType): number {
  return scope(() => {
    const matrix = ones([SIZE, SIZE], { dtype });
    const end = performance.now() + MEASURE_MS;
    let best = Number.POSITIVE_INFINITY;
    do {
      const start = performance.now();
      mm(matrix, matrix).dispose();
      best = Math.min(best, performance.now() - start);
    } while (performance.now() < end);
    return Math.round((2 * SIZE ** 3) / best / 1e6);
  });
}

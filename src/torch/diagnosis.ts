// What `doctor` reports: where libtorch was looked for, what is in use, its measured speed, and what needs fixing.
import { BidoraError, setupCommandLine } from "../base/index.js";
import type { DType } from "./dtype.js";
import { blasWarning, type EngineFacts, engineFacts, hasFastBfloat16 } from "./engine.js";
import { mm, ones } from "./generated/operators.js";
import { isOutdated } from "./installations/builds.js";
import { type EnginePlace, engineInUse, enginePlaces } from "./installations/index.js";
import { scope } from "./ownership.js";

/** A place where libtorch may be, as `diagnose` reports it. */
export interface FoundEngine {
  readonly source: EnginePlace["source"];
  readonly folder: string;
  readonly libtorch: string | undefined;
  readonly bytes: number | undefined;
  readonly inUse: boolean;
  /** Why it is not used; undefined for the one in use, and for those that come after it. */
  readonly problem: string | undefined;
}

/** What `diagnose` finds out about the engine in use. */
export type EngineDetails = EngineFacts & {
  readonly fastBfloat16: boolean;
  /** Measured speed of a matrix product, in 10^9 operations per second. */
  readonly gigaflops: { readonly float32: number; readonly bfloat16: number };
};

/** The findings of `diagnose`. Without an engine that can be used there are no details, and a problem says why. */
export type Diagnosis = Partial<EngineDetails> & {
  /** All places where libtorch was looked for, in order. */
  readonly engines: readonly FoundEngine[];
  /** Problems to fix, one sentence each. */
  readonly problems: readonly string[];
};

const MEASURED_SIZE = 512;
const MEASURE_MS = 150;

/** Reports the engines that were found, and the versions, speed and problems of the one in use. Takes half a second. */
export function diagnose(): Diagnosis {
  const found = { engines: foundEngines() };
  try {
    const details = measured(engineFacts());
    const problems = [blasWarning(details), outdatedWarning()].filter((problem) => problem !== undefined);
    return { ...found, ...details, problems };
  } catch (error) {
    if (!(error instanceof BidoraError)) throw error;
    return { ...found, problems: [error.message] };
  }
}

function foundEngines(): FoundEngine[] {
  const { source, problem } = engineInUse();
  return enginePlaces().map((engine) => ({
    ...engine,
    inUse: engine.source === source && problem === undefined,
    problem: engine.problem?.message,
  }));
}

const measured = (facts: EngineFacts): EngineDetails => ({
  ...facts,
  fastBfloat16: hasFastBfloat16(),
  gigaflops: { float32: measure("float32"), bfloat16: measure("bfloat16") },
});

/** In a clone, an addon stays in use until the next build. */
function outdatedWarning(): string | undefined {
  const { source, folder } = engineInUse();
  if (source === "platform package" || !isOutdated(folder)) return undefined;
  return `The addon in ${folder} was built from other native sources than those here: run \`${setupCommandLine()}\`.`;
}

/** The fastest of as many products as fit into the time; slower ones were disturbed by other work. */
function measure(dtype: DType): number {
  return scope(() => {
    const matrix = ones([MEASURED_SIZE, MEASURED_SIZE], { dtype });
    const end = performance.now() + MEASURE_MS;
    let best = Number.POSITIVE_INFINITY;
    do {
      const start = performance.now();
      mm(matrix, matrix).dispose();
      best = Math.min(best, performance.now() - start);
    } while (performance.now() < end);
    return Math.round((2 * MEASURED_SIZE ** 3) / best / 1e6);
  });
}

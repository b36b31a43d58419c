/** Bootstrap and jackknife samples of examples, and the metric over them. */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { BidoraError, seededGenerator, shuffler, UsageError } from "../../../base/index.js";
import type { OverRows } from "./metric.js";
import { sampledSums } from "./sums.js";

/** Separates this random stream from those that shuffle examples and sample tokens. */
const STREAM = 0x626f6f74;

/** The share of resamples in which a value may be undefined: beyond it, the other resamples are a biased sample. */
const UNDEFINED_AT_MOST = 0.05;

/** The settings of a bootstrap. */
export interface BootstrapOptions {
  /** The number of resamples; 1000 by default. */
  readonly resamples?: number;
  /** The confidence level of intervals, between 0 and 1; 0.95 by default. */
  readonly confidence?: number;
  /** The random seed: equal seeds give equal resamples of equally many examples. */
  readonly seed: number;
}

/** The options with defaults filled in. @throws UsageError for values out of range */
export function checkBootstrap({
  resamples = 1000,
  confidence = 0.95,
  seed,
}: BootstrapOptions): Required<BootstrapOptions> {
  if (!Number.isSafeInteger(resamples) || resamples < 1)
    throw new UsageError(`Expected at least 1 resample, as a whole number; got ${resamples}. 1000 is usual.`);
  if (!(confidence > 0 && confidence < 1))
    throw new UsageError(`Expected a confidence between 0 and 1, got ${confidence}; 0.95 is usual.`);
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new UsageError(`Expected a whole number of at least 0 as the seed, got ${seed}.`);
  return { resamples, confidence, seed };
}

/** Bootstrap samples: as many example numbers (from 0) as there are examples, drawn with replacement. Each sample overwrites the one before. */
export function* bootstrapSamples(
  examples: number,
  { resamples, seed }: Required<BootstrapOptions>,
): Generator<Int32Array> {
  const random = seededGenerator(seed, STREAM);
  const drawn = new Int32Array(examples);
  for (let resample = 0; resample < resamples; resample++) {
    for (let place = 0; place < examples; place++) drawn[place] = uniformInt(random, 0, examples - 1);
    yield drawn;
  }
}

/** With this many groups a jackknife estimates the skewness well enough, at a fraction of the cost of leaving out single examples. */
const MOST_GROUPS = 200;

/**
 * Jackknife samples, as example numbers from 0: each leaves out one example or, if there are more than 200, a random group of them (the
 * grouped jackknife of Efron & Narasimhan 2020, § 4).
 */
export function* jackknifeSamples(examples: number, { seed }: Pick<BootstrapOptions, "seed">): Generator<Int32Array> {
  const groups = Math.min(examples, MOST_GROUPS);
  const order = Int32Array.from(shuffler(seed, STREAM)(Array.from({ length: examples }, (_, example) => example)));
  for (let group = 0; group < groups; group++) yield order.filter((_, place) => place % groups !== group);
}

/** The metric over a sample of examples; no values if the sample has nothing to score (METRIC_ROWS), such as no words. */
export function resultOfSample<Measured>(
  metric: OverRows<Measured>,
  corpus: readonly Measured[],
  drawn: Int32Array,
): Readonly<Record<string, number>> {
  try {
    const addedUp = sampledSums(metric, corpus);
    if (addedUp) return addedUp(drawn);
    return metric.result(
      Array.from(drawn, (example) => corpus[example]!),
      corpus,
    );
  } catch (error) {
    if (error instanceof BidoraError && error.code === "METRIC_ROWS") return {};
    throw error;
  }
}

/** Whether enough resamples have a value for the others to be left out. */
export const areEnough = (defined: number, resamples: number): boolean =>
  resamples - defined <= UNDEFINED_AT_MOST * resamples;

import { uniformInt } from "pure-rand/distribution/uniformInt";
import { BidoraError, UsageError } from "../common/errors.js";
import { seededGenerator, shuffler } from "../common/seededGenerator.js";
import type { OverRows } from "./metric.js";
import { sampledSums } from "./sums.js";

/** Apart from the streams that rows are shuffled and tokens drawn by. */
const STREAM = 0x626f6f74;

/** In at most this share of the resamples a value may be undefined; where it is so in more, what the rest say is another thing. */
const UNDEFINED_AT_MOST = 0.05;

/** How a bootstrap is drawn. */
export interface BootstrapOptions {
  /** How often rows are drawn anew; 1000 by default. */
  readonly resamples?: number;
  /** The share of such intervals that hold the true value, between 0 and 1; 0.95 by default. */
  readonly confidence?: number;
  /** The same seed gives the same resamples of the same number of rows. */
  readonly seed: number;
}

/** Options as they are used. @throws UsageError for what no bootstrap can be drawn by */
export function checkBootstrap({
  resamples = 1000,
  confidence = 0.95,
  seed,
}: BootstrapOptions): Required<BootstrapOptions> {
  if (!Number.isSafeInteger(resamples) || resamples < 1)
    throw new UsageError(`Expected a whole number of resamples from 1, ${resamples} came; 1000 is usual.`);
  if (!(confidence > 0 && confidence < 1))
    throw new UsageError(`Expected a confidence between 0 and 1, ${confidence} came; 0.95 is usual.`);
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new UsageError(`Expected a whole number from 0 as the seed, ${seed} came.`);
  return { resamples, confidence, seed };
}

/** Row numbers, from 0, of samples as large as the whole, drawn with replacement. Each is gone once the next is drawn. */
export function* drawnRows(rows: number, { resamples, seed }: Required<BootstrapOptions>): Generator<Int32Array> {
  const random = seededGenerator(seed, STREAM);
  const drawn = new Int32Array(rows);
  for (let resample = 0; resample < resamples; resample++) {
    for (let place = 0; place < rows; place++) drawn[place] = uniformInt(random, 0, rows - 1);
    yield drawn;
  }
}

/** A jackknife over so many groups finds the skewness well enough, for a fraction of what single rows cost of many rows. */
const MOST_GROUPS = 200;

/**
 * Row numbers, from 0, of all rows but one, or, of more than 200, but a group of them drawn by chance: a grouped jackknife (Efron &
 * Narasimhan 2020, § 4).
 */
export function* leftOutRows(rows: number, { seed }: Pick<BootstrapOptions, "seed">): Generator<Int32Array> {
  const groups = Math.min(rows, MOST_GROUPS);
  const order = Int32Array.from(shuffler(seed, STREAM)(Array.from({ length: rows }, (_, row) => row)));
  for (let group = 0; group < groups; group++) yield order.filter((_, place) => place % groups !== group);
}

/** The metric over drawn rows; nothing where it refuses them (METRIC_ROWS), as when none has a word to be scored by. */
export function resultOfDrawn<Measured>(
  metric: OverRows<Measured>,
  corpus: readonly Measured[],
  drawn: Int32Array,
): Readonly<Record<string, number>> {
  try {
    const addedUp = sampledSums(metric, corpus);
    if (addedUp) return addedUp(drawn);
    return metric.result(
      Array.from(drawn, (row) => corpus[row]!),
      corpus,
    );
  } catch (error) {
    if (error instanceof BidoraError && error.code === "METRIC_ROWS") return {};
    throw error;
  }
}

/** Whether so many of the resamples gave a value that the rest may be left out. */
export const areEnough = (defined: number, resamples: number): boolean =>
  resamples - defined <= UNDEFINED_AT_MOST * resamples;

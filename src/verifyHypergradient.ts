import type { RunConfig } from "./config.js";
import { type EncodedRow, splitForSearch } from "./data/index.js";
import { UsageError } from "./errors.js";
import type { FinetuneOptions } from "./finetune.js";
import { prepare } from "./prepare.js";
import { compareEstimators, type EstimatorComparison } from "./train/compareEstimators.js";

/**
 * Compares every estimator of the hypergradient with the exact one on the user's own model and data: after a few search
 * steps, so that B is no longer zero, on the next batches.
 * @throws UsageError for a method without magnitudes
 */
export async function verifyHypergradient(
  config: RunConfig,
  options: Pick<FinetuneOptions, "hub" | "signal"> & { readonly precision: "float32" | "float64" },
): Promise<EstimatorComparison> {
  if (config.method !== "bidora")
    throw new UsageError(`verify-hypergradient is for --method bidora, not ${config.method}.`);
  const { data, task, loaded, adapted, generator } = await prepare(config, options.hub, options.precision);
  const { searchFraction: fraction, shuffle, seed } = config;
  const split = splitForSearch(data.train.length, { fraction, shuffle, seed });
  const pick = (places: readonly number[]) => places.map((place) => data.train[place] as EncodedRow);
  const setup = { model: loaded.model, adapted, task: task.kind, generator, signal: options.signal };
  return compareEstimators({ ...setup, lowerRows: pick(split.lower), upperRows: pick(split.upper) }, config);
}

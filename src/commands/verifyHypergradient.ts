import { checkArguments, oneOf, optional, options as optionsOf, signal } from "../common/arguments.js";
import { UsageError } from "../common/errors.js";
import { aRunConfig, isTooCoarse, METHODS, type RunConfig, refuseWithoutEffect, runOptions } from "../config/index.js";
import { hubOptions } from "../io/hub/options.js";
import { startOf } from "../run/adapterStart.js";
import { ownWeights, prepare } from "../run/prepare.js";
import { setupOf } from "../run/runPlans.js";
import { namingBadWeights } from "../train/badWeights.js";
import { compareEstimators, type EstimatorComparison } from "../train/compareEstimators.js";
import type { FinetuneOptions } from "./finetune.js";

/** How well each estimator of the hypergradient does on a model and data. */
export interface Verification extends EstimatorComparison {
  /** What the model computed in. */
  readonly dtype: "float64" | "float32" | "bfloat16";
  /** Sentences on what the figures mean for the run. */
  readonly notes: readonly string[];
}

const OPTIONS = optionsOf({
  hub: optional(hubOptions),
  signal,
  precision: optional(oneOf(["float32", "float64"])),
});

/**
 * Compares every estimator of the hypergradient with the exact one on the user's own model and data: after the first few
 * steps of the run's search, so that B is no longer zero, on the batches that come next.
 * @param options.precision in place of the run's own dtype
 * @throws UsageError for a method without magnitudes
 */
export async function verifyHypergradient(
  config: RunConfig,
  options: Pick<FinetuneOptions, "hub" | "signal"> & { readonly precision?: "float32" | "float64" | undefined } = {},
): Promise<Verification> {
  checkArguments("verifyHypergradient", ["config", config, aRunConfig], ["options", options, OPTIONS]);
  if (!METHODS[config.method].isBilevel)
    throw new UsageError(`verify-hypergradient is for --method bidora, not ${config.method}.`);
  // Every estimator is computed, so that what acts with some of them only acts here.
  refuseWithoutEffect(runOptions, config.given, config, ["xi", "hypergradientTerms"]);
  const prepared = await prepare(await startOf(config, options.hub), options.hub, options.precision);
  const comparison = await namingBadWeights(
    () => ownWeights(prepared),
    () => compareEstimators(setupOf(prepared), prepared.config, options.signal),
  );
  const dtype = options.precision ?? (prepared.config.dtype as "float32" | "bfloat16");
  return { dtype, ...comparison, notes: notesOf(comparison, dtype) };
}

function notesOf({ estimators }: EstimatorComparison, dtype: Verification["dtype"]): string[] {
  const coarse = estimators.filter(({ name }) => isTooCoarse(name, dtype));
  if (coarse.length === 0) return [];
  const errors = coarse.map(({ name, relativeError }) => `${name} is off by ${(100 * relativeError).toPrecision(2)} %`);
  return [`In ${dtype} ${errors.join(" and ")}: take --hypergradient exact, or --dtype float32.`];
}

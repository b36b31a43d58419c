/** `bidora verify-hypergradient`: the estimators of the hypergradient, each against its exact target. */
import { UsageError } from "../../base/index.js";
import { choice, filled, type Given, omit, option, whole } from "../../base/settings/index.js";
import { namingBadWeights } from "../../models/index.js";
import { askedRun, isTooCoarse, runFile, runOptions, saidBy, upperFacts, upperOf } from "../../tasks/config/index.js";
import { compareEstimators, type EstimatorComparison } from "../../training/hypergradients/index.js";
import { checkpointWeights, prepare, setupOf, startOf } from "../../training/run/index.js";
import { call, defineRunCommand, formatTable, HUB_HOOKS, type HubHooks, refuseAsRank } from "./command.js";

const ownOptions = {
  precision: option(choice(["float64", "float32"]), {
    group: "Training",
    help: "compute everything in this data type instead of the run's own",
    defaultText: "--dtype",
  }),
  implicitProducts: option(whole(1), {
    group: "Second level",
    help: "products with the Hessian that solving the target of neumann and cg may take",
    placeholder: "N",
    default: 20,
  }),
};

/** Settings of what is not done here: of whole phases, of other methods, of files. */
const NOT_HERE = [
  ...(["validation", "test", "testSplit", "epochs", "maxSteps", "warmupRatio", "schedule"] as const),
  ...(["output", "overwrite", "resume", "dashboard", "evalEvery", "saveEvery", "keepCheckpoints", "log"] as const),
  ...(["earlyStopping", "earlyStoppingMetric", "profile", "searchPatience", "warmStart"] as const),
  ...(["retrainSteps", "retrainEpochs", "retrainLearningRate", "upperRowsInRetrain"] as const),
] as const;

const options = {
  ...runFile,
  ...omit(runOptions, ...NOT_HERE),
  method: { ...runOptions.method, default: "bidora" as const },
  learningRate: { ...runOptions.learningRate, defaultText: "1e-3" },
  ...ownOptions,
};

/** What `verifyHypergradient` takes: the flags of `bidora verify-hypergradient`, in camelCase. */
export type VerifySettings = Given<typeof options>;

/** The accuracy of each hypergradient estimator for a model and data. */
export interface Verification extends EstimatorComparison {
  /** The dtype of the computation. */
  readonly dtype: "float64" | "float32" | "bfloat16";
  /** Sentences on what the figures mean for the run. */
  readonly notes: readonly string[];
}

export const verifyCommand = defineRunCommand({
  usage: "verify-hypergradient [run.yaml] [flags]",
  about: "Compares each hypergradient estimator with what it estimates, on your own model and data.",
  options,
  hooks: HUB_HOOKS,
  async run({ precision, implicitProducts, ...given }, context): Promise<Verification> {
    const { implicitProducts: mostProducts } = filled(ownOptions, { implicitProducts });
    refuseAsRank("verify-hypergradient");
    if (precision !== undefined && given.dtype !== undefined)
      throw new UsageError("--precision and --dtype are mutually exclusive: one takes the place of the other.");
    const said = askedRun(given);
    const { method = options.method.default, adapter, upper, optimizer } = saidBy(said);
    const group = upperOf({ method, upper });
    if (group === undefined)
      throw new UsageError(`verify-hypergradient is for two levels, and --method ${method} has one: add --upper.`);
    if (upperFacts(group).isExplicit) refuseForFormula(group, implicitProducts, optimizer);
    // An adapter names its own method.
    const asked = adapter === undefined ? { ...said, flags: { ...said.flags, method } } : said;
    // every estimator is computed, so the settings of all of them have an effect
    const begin = await startOf(asked, context, upperFacts(group).isExplicit ? [] : ["xi", "hypergradientTerms"]);
    const prepared = await prepare(begin, context, precision);
    const comparison = await namingBadWeights(
      () => checkpointWeights(prepared),
      () => compareEstimators(setupOf(prepared), prepared.config, { mostProducts, signal: context.signal }),
    );
    const dtype = precision ?? (prepared.config.dtype as "float32" | "bfloat16");
    return { dtype, ...comparison, notes: [...notesOf(comparison, dtype), ...comparison.notes] };
  },
  show(result) {
    const rows = result.estimators.map((row) => [
      row.name,
      row.cosine.toFixed(6),
      row.relativeError.toExponential(2),
      row.target,
      row.seconds.toFixed(2),
    ]);
    const table = formatTable(["estimator", "cosine", "relative error", "of target", "seconds"], rows);
    return { value: result, text: [`In ${result.dtype}:`, table, ...targetsOf(result), ...result.notes].join("\n") };
  },
});

function targetsOf({ implicit, secondOrderShare }: EstimatorComparison): string[] {
  if (!implicit || secondOrderShare === undefined) return [];
  const { cosine, relativeError, residual, products } = implicit;
  return [
    `Implicit against unrolled target: cosine ${cosine.toFixed(6)}, relative error ${relativeError.toExponential(2)}; solved by ${products} products to a residual of ${residual.toExponential(1)}`,
    `Second-order share of the hypergradient's norm: ${secondOrderShare.toPrecision(3)}`,
  ];
}

/** Of a group whose gradient has a formula. @throws UsageError for what only estimators use */
function refuseForFormula(
  group: string,
  products: number | undefined,
  optimizer: string = runOptions.optimizer.default,
): void {
  if (products !== undefined)
    throw new UsageError(
      `--implicit-products has no effect with --upper ${group}, which has no implicit target: leave it out.`,
    );
  if (optimizer !== "adamw")
    throw new UsageError(
      `verify-hypergradient --upper ${group} differentiates through the steps of adamw, not of ${optimizer}: leave out --optimizer.`,
    );
}

/**
 * Compares every estimator of the hypergradient with its exact target on the user's own model and data, on the batches that follow the
 * first few steps of the run's search, when B is no longer zero: `neumann` and `cg` with the implicit hypergradient, the others with the
 * one through the lower step.
 * @throws UsageError for a run with one level
 */
export const verifyHypergradient = (settings: VerifySettings, hooks: HubHooks = {}): Promise<Verification> =>
  call("verifyHypergradient", verifyCommand, settings, hooks);

/** A larger residual leaves the implicit target uncertain. */
const UNSOLVED = 1e-3;

function notesOf({ estimators, implicit }: EstimatorComparison, dtype: Verification["dtype"]): string[] {
  const coarse = estimators.filter(({ name }) => isTooCoarse(name, dtype));
  const errors = coarse.map(({ name, relativeError }) => `${name} is off by ${(100 * relativeError).toPrecision(2)} %`);
  const { residual, products } = implicit ?? { residual: 0, products: 0 };
  return [
    ...(errors.length > 0
      ? [`In ${dtype} ${errors.join(" and ")}: take --hypergradient exact, or --dtype float32.`]
      : []),
    ...(residual > UNSOLVED
      ? [
          `The implicit target is solved to a residual of ${residual.toExponential(1)} only, after ${products} products in ${dtype}, so it and the errors of neumann and cg are uncertain: use a larger --implicit-products, or --precision float64.`,
        ]
      : []),
  ];
}

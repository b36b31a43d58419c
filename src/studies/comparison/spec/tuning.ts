// What a comparison tries for each method before the reported runs, and the setting that it draws the scores over.
import { own, UsageError } from "../../../base/index.js";
import { checkValue, flagOf } from "../../../base/settings/index.js";
import type { RunKey, RunSettings } from "../../../tasks/config/index.js";
import { LENGTH_SETTINGS } from "../plan/budget.js";
import { type GivenPoints, gridPoints } from "../plan/grid.js";
import { comparisonOptions } from "./compareOptions.js";
import { type DefinedMethod, type Variant, variantsOf } from "./variants.js";

/** The points that are tried on held-out training rows, of which each method gets its best. */
export interface Tuning {
  /** Those of every method without points of its own. */
  readonly points: readonly RunSettings[];
  /** Points of single variants, or of all variants of a method. */
  readonly perMethod: ReadonlyMap<string, readonly RunSettings[]>;
  /** The seed of the runs that try them. */
  readonly seed: number;
}

/** The points that are tried for a method; none if nothing is tuned. */
export const pointsFor = ({ points, perMethod }: Tuning, { names }: Variant): readonly RunSettings[] =>
  perMethod.get(names.findLast((name) => perMethod.has(name)) ?? "") ?? points;

export const isTuned = ({ points, perMethod }: Tuning): boolean => points.length > 0 || perMethod.size > 0;

/** Every setting that is chosen for some method. */
export const tunedKeys = ({ points, perMethod }: Tuning): string[] => [
  ...new Set([points, ...perMethod.values()].flat().flatMap(Object.keys)),
];

/** Settings on which the number of a run's steps depends, or the number of rows in a step. */
const OF_LENGTH: ReadonlySet<string> = new Set<RunKey>([
  ...LENGTH_SETTINGS,
  ...(["batchSize", "gradientAccumulation", "dropLast", "maxLength", "searchFraction", "searchFolds"] as const),
  ...(["unrollSteps", "hypergradient", "hypergradientTerms", "upper", "upperRowsInRetrain"] as const),
]);

/**
 * The settings that follow from a tuned length: how often early stopping evaluates, and the steps within a budget.
 * @param budget `steps=N`, `rows=N` or `seconds=N`: seconds depend on every setting
 */
export function followingKeys(tuned: readonly string[], budget: string | undefined): string[] {
  const isLength = tuned.some((key) => OF_LENGTH.has(key) || budget?.startsWith("seconds"));
  if (!isLength) return [];
  return ["evalEvery", ...(budget === undefined ? [] : LENGTH_SETTINGS)];
}

interface TuningSettings {
  readonly tune?: GivenPoints | undefined;
  readonly grid?: GivenPoints | undefined;
  readonly tuneSeed?: number | undefined;
}

interface TuningContext {
  readonly perMethod?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined;
  readonly seeds: readonly number[];
  readonly defined: readonly DefinedMethod[];
}

/**
 * What to tune. `--grid` is the earlier name of `--tune`; a flag takes precedence over the file, by either name.
 * @throws UsageError for both names at one place, a seed without anything to tune, or points as `gridPoints`
 */
export function readTuning(
  flags: TuningSettings,
  file: TuningSettings,
  { perMethod = {}, seeds, defined }: TuningContext,
): Tuning {
  const given = namedOnce(flags) ?? namedOnce(file);
  const isByFlag = namedOnce(flags) !== undefined;
  const ofMethods = Object.entries(isByFlag ? {} : perMethod).flatMap(([name, settings]) => {
    const points = own(settings, TUNE);
    if (points === undefined) return [];
    variantsOf([name], defined);
    const where = `tune of ${name}`;
    return [[name, gridPoints(checkValue(comparisonOptions.tune, points, where) as GivenPoints, where)] as const];
  });
  const seed = flags.tuneSeed ?? file.tuneSeed;
  const tuning = {
    points: given ? gridPoints(given.points, given.flag) : [],
    perMethod: new Map(ofMethods),
    seed: seed ?? seeds[0] ?? 0,
  };
  if (seed !== undefined && !isTuned(tuning))
    throw new UsageError("--tune-seed has no effect without --tune: name settings to try, or leave it out.");
  return tuning;
}

/** The key of a method's own points in the file's `perMethod`. */
export const TUNE = "tune";

function namedOnce({
  tune,
  grid,
}: TuningSettings): { readonly points: GivenPoints; readonly flag: string } | undefined {
  if (tune !== undefined && grid !== undefined)
    throw new UsageError("--grid is another name of --tune: give all settings to one of them.");
  if (tune !== undefined) return { points: tune, flag: "--tune" };
  return grid === undefined ? undefined : { points: grid, flag: "--grid" };
}

/** A setting with the values to train every seed with. */
export interface CurveSetting {
  readonly key: RunKey;
  readonly points: readonly RunSettings[];
}

/**
 * The curve to draw; undefined for none.
 * @throws UsageError for several settings, values that are no numbers, or a setting that is tuned
 */
export function readCurve(given: GivenPoints | undefined, tuning: Tuning): CurveSetting | undefined {
  if (given === undefined) return undefined;
  const points = gridPoints(given, "--curve");
  const [key, ...others] = [...new Set(points.flatMap(Object.keys))] as RunKey[];
  if (key === undefined || others.length > 0)
    throw new UsageError(`--curve takes one setting, which is the x axis; got ${[key, ...others].join(" and ")}.`);
  const word = points.map((point) => point[key]).find((value) => typeof value !== "number");
  if (word !== undefined) throw new UsageError(`--curve takes a setting with numbers; got ${key}=${String(word)}.`);
  if (tunedKeys(tuning).includes(key))
    throw new UsageError(
      `--curve and --tune both have ${flagOf(key)}: a curve trains every value and --tune chooses one, so leave it out of one of them.`,
    );
  return { key, points };
}

// The points that settings to try make, and their names.
import { didYouMean, firstRepeated, own, UsageError } from "../../../base/index.js";
import type { Goal } from "../../../base/records/index.js";
import { checkValue, type Option } from "../../../base/settings/index.js";
import { type RunKey, type RunSettings, runOptions } from "../../../tasks/config/index.js";
import { round12 } from "../../statistics/summary.js";

/** Values by setting, or `setting=A,B` as on the command line. */
export type GivenPoints = readonly string[] | Readonly<Record<string, readonly unknown[]>>;

/**
 * Every combination of the values to try, as settings.
 * @param flag what gave them, for errors
 * @throws UsageError for an unknown setting or an invalid value
 */
export function gridPoints(given: GivenPoints, flag = "--tune"): RunSettings[] {
  const axes = Object.entries(
    Array.isArray(given) ? fromTexts(given, flag) : (given as Record<string, readonly unknown[]>),
  );
  const points = axes.reduce<RunSettings[]>(
    (some, [key, values]) =>
      some.flatMap((point) => values.map((value) => ({ ...point, [key]: triedValue(key, value, flag) }))),
    [{}],
  );
  // Each point has a folder of its own.
  const twice = firstRepeated(points.map(pointName));
  if (twice !== undefined) throw new UsageError(`${flag} has ${twice} twice: give each value once.`);
  return points;
}

function fromTexts(texts: readonly string[], flag: string): Record<string, readonly string[]> {
  const axes: Record<string, readonly string[]> = {};
  for (const text of texts) {
    const cut = text.indexOf("=");
    const key = text.slice(0, cut);
    if (Object.hasOwn(axes, key)) throw new UsageError(`${flag} names ${key} twice: give its values at once.`);
    axes[key] = text.slice(cut + 1).split(",");
  }
  return axes;
}

/** Settings that the comparison sets itself. */
const OWN: readonly RunKey[] = [
  ...(["seed", "method", "output", "model", "revision", "adapter", "task", "resume", "overwrite"] as const),
];
/** Settings that would score the points on different rows or tokens, so that their scores could not be compared. */
const SCORED_BY: readonly RunKey[] = [
  ...(["data", "train", "validation", "test", "testSplit", "trainLimit", "holdoutFraction"] as const),
  ...(["shuffle", "labelColumn", "positiveLabel", "trainOn"] as const),
];
/** Settings without effect on the score that chooses: no texts are generated for held-out rows. */
const NO_SCORE: readonly RunKey[] = ["maxNewTokens", "beams", "lengthPenalty", "noRepeatNgram"];
const NOT_TRIED: ReadonlySet<string> = new Set([...OWN, ...SCORED_BY, ...NO_SCORE]);

function triedValue(key: string, value: unknown, flag: string): unknown {
  const option: Option | undefined = own(runOptions, key);
  if (!option)
    throw new UsageError(`${flag} takes settings of a run; got ${key}.${didYouMean(key, Object.keys(runOptions))}`);
  if (NOT_TRIED.has(key))
    throw new UsageError(
      `${flag} takes settings of the training, not those of its rows or of how they are scored; got ${key}.`,
    );
  return checkValue(option, value, `${flag} ${key}`);
}

/** The folder name of a point. */
export const pointName = (point: RunSettings): string =>
  Object.entries(point)
    .map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(",")
    .replaceAll(/[^\w=,.+-]/g, (sign) => (sign === "/" ? "_" : `%${sign.codePointAt(0)?.toString(16)}`));

/** The settings that the folder name of a point names. */
export const keysOfPoint = (name: string): string[] =>
  [...name.matchAll(/(?:^|,)(\w+)=/g)].map(([, key]) => key!).filter((key) => Object.hasOwn(runOptions, key));

/** A key that equal settings share, whatever their order. */
export const settingsKey = (settings: RunSettings): string =>
  JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)));

/** The cells without repetitions of the same run. */
export function distinctRuns<Of extends { readonly settings: RunSettings }>(cells: readonly Of[]): Of[] {
  const seen = new Set<string>();
  return cells.filter(({ settings }) => {
    const run = settingsKey(settings);
    return !seen.has(run) && seen.add(run);
  });
}

/** Whether two settings have the same value. */
export const isSameValue = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** A point's score on the rows that its run held out. */
interface GridScore {
  readonly point: RunSettings;
  readonly score: number;
  /** How many of its values are the settings' defaults. */
  readonly defaults: number;
}

/** The point with the best score. Of equal ones, the one with the most default values, and of these the first. */
export function bestPoint(scores: readonly GridScore[], goal: Goal): RunSettings {
  const isBetter = (a: GridScore, b: GridScore) => {
    if (round12(a.score) === round12(b.score)) return a.defaults > b.defaults;
    return goal === "maximize" ? a.score > b.score : a.score < b.score;
  };
  return scores.reduce((best, other) => (isBetter(other, best) ? other : best)).point;
}

import { firstRepeated } from "../common/collections.js";
import { UsageError } from "../common/errors.js";
import { didYouMean } from "../common/messages.js";
import { type RunKey, type RunSettings, runOptions } from "../config/index.js";
import type { Goal } from "../files/metrics.js";
import { checkValue } from "../settings/kinds.js";
import type { Option } from "../settings/option.js";

type Given = readonly string[] | Readonly<Record<string, readonly unknown[]>>;

/** Every combination of the values to try, as settings. @throws UsageError for what is no setting, or no value of it */
export function gridPoints(given: Given | undefined): RunSettings[] {
  if (given === undefined) return [];
  const axes = Object.entries(Array.isArray(given) ? fromTexts(given) : (given as Record<string, readonly unknown[]>));
  const points = axes.reduce<RunSettings[]>(
    (some, [key, values]) =>
      some.flatMap((point) => values.map((value) => ({ ...point, [key]: triedValue(key, value) }))),
    [{}],
  );
  refuseTwice(points);
  return points;
}

/** Each point has a folder of its own. */
function refuseTwice(points: readonly RunSettings[]): void {
  const names = points.map(pointName);
  const twice = firstRepeated(names);
  if (twice !== undefined) throw new UsageError(`--grid has ${twice} twice: give each value once.`);
}

function fromTexts(texts: readonly string[]): Record<string, readonly string[]> {
  const axes: Record<string, readonly string[]> = {};
  for (const text of texts) {
    const cut = text.indexOf("=");
    const key = text.slice(0, cut);
    if (Object.hasOwn(axes, key)) throw new UsageError(`--grid names ${key} twice: give its values at once.`);
    axes[key] = text.slice(cut + 1).split(",");
  }
  return axes;
}

/** They are a comparison's own to set. */
const OWN: readonly RunKey[] = [
  "seed",
  "method",
  "output",
  "model",
  "revision",
  "adapter",
  "task",
  "resume",
  "overwrite",
];
/** Points that differ in these are judged by other rows or tokens than each other: their scores can't be compared. */
const JUDGED_BY: readonly RunKey[] = [
  ...(["data", "train", "validation", "test", "testSplit", "trainLimit", "holdoutFraction"] as const),
  ...(["shuffle", "labelColumn", "trainOn"] as const),
];
/** They change nothing of the score that chooses: no texts are written for rows that are held out. */
const NO_SCORE: readonly RunKey[] = ["maxNewTokens", "beams", "lengthPenalty", "noRepeatNgram"];
const NOT_TRIED: ReadonlySet<string> = new Set([...OWN, ...JUDGED_BY, ...NO_SCORE]);

function triedValue(key: string, value: unknown): unknown {
  const option: Option | undefined = Object.hasOwn(runOptions, key) ? runOptions[key as RunKey] : undefined;
  if (!option)
    throw new UsageError(`--grid takes settings of a run; got ${key}.${didYouMean(key, Object.keys(runOptions))}`);
  if (NOT_TRIED.has(key))
    throw new UsageError(`--grid takes settings of a run that it can choose by the rows held out; got ${key}.`);
  return checkValue(option, value, `--grid ${key}`);
}

/** A point as a folder's name. */
export const pointName = (point: RunSettings): string =>
  Object.entries(point)
    .map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(",")
    .replaceAll(/[^\w=,.+-]/g, (sign) => (sign === "/" ? "_" : `%${sign.codePointAt(0)?.toString(16)}`));

/** The same for settings that are the same, in whatever order they stand. */
export const settingsKey = (settings: RunSettings): string =>
  JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Of cells that are the same run one, the first. */
export function distinctRuns<Of extends { readonly settings: RunSettings }>(cells: readonly Of[]): Of[] {
  const seen = new Set<string>();
  return cells.filter(({ settings }) => {
    const run = settingsKey(settings);
    return !seen.has(run) && seen.add(run);
  });
}

/** What a point came to: its run's score on the rows that it held out, and the loss there. */
export interface GridScore {
  readonly point: RunSettings;
  readonly score: number;
  readonly loss?: number | undefined;
}

/** The best point; of those with one score, as where nothing is learned yet, the one of the least loss, and the first of equals. */
export function bestPoint(scores: readonly GridScore[], goal: Goal): RunSettings {
  const lossOf = ({ loss = Number.POSITIVE_INFINITY }: GridScore) => loss;
  const isBetter = (a: GridScore, b: GridScore) => {
    if (a.score === b.score) return lossOf(a) < lossOf(b);
    return goal === "maximize" ? a.score > b.score : a.score < b.score;
  };
  return scores.reduce((best, other) => (isBetter(other, best) ? other : best)).point;
}

import { extent } from "d3-array";
import { own } from "../common/collections.js";
import { areAlike, bca } from "./bca.js";
import type { Interval } from "./bootstrap.js";
import type { Metric, OverRows } from "./metric.js";
import {
  areEnough,
  type BootstrapOptions,
  checkBootstrap,
  drawnRows,
  leftOutRows,
  resultOfDrawn,
} from "./resamples.js";
import { wilson } from "./wilson.js";

/** Where a value lies, and by which method that was found. */
export interface ConfidenceInterval extends Interval {
  readonly method: "wilson" | "bca";
}

/** The intervals of a metric's values. */
export interface ConfidenceIntervals {
  /** By the value's name; null where the rows allow none. */
  readonly intervals: Readonly<Record<string, ConfidenceInterval | null>>;
  /** Why there is none, a sentence for each reason. */
  readonly notes: readonly string[];
}

/** Of fewer rows the bootstrap's intervals hold the true value clearly less often than they say. */
export const FEWEST_ROWS = 30;

/** So many BCa asks for (Efron 1987, § 9): its percentiles lie further out than those of the plain bootstrap. */
const RESAMPLES = 2000;
const MOST_RESAMPLES = 20_000;
/** An interval's ends are found well enough where so many values lie beyond each of them. */
const BEYOND = 10;

/** As many as the confidence needs, up to a limit. */
const resamplesFor = (tail: number): number => Math.min(Math.max(RESAMPLES, Math.ceil(BEYOND / tail)), MOST_RESAMPLES);

/**
 * Confidence intervals for every value of a metric: Wilson's for shares of the rows, for all others the BCa bootstrap over rows. A
 * row is drawn with all that was measured of it, so that words of one sentence, or texts with one prompt, stay together.
 * There is none where fewer than 30 rows are drawn from, and where it is not a finite number over all rows or in more than one of
 * twenty samples; fewer such samples are left out. Nor is there one where more samples
 * than a tail holds share the highest or lowest value, as when one row in thirty is wrong: it would cover the true value far too rarely.
 * @param units what a row is, for notes
 * @throws BidoraError `METRIC_ROWS` for no rows
 * @throws UsageError for options that no bootstrap can be drawn by
 */
export function confidenceIntervals<Measured>(
  metric: Pick<Metric<never, never, Measured>, "values" | "result">,
  rows: readonly Measured[],
  options: BootstrapOptions,
  units = "rows",
): ConfidenceIntervals {
  const { confidence } = checkBootstrap(options);
  const settings = checkBootstrap({ resamples: resamplesFor((1 - confidence) / 2), ...options });
  const samples = new Samples(metric, rows, settings, units);
  const reasons = new Map<string, string[]>();
  const intervals = Object.entries(metric.result(rows, rows)).map(([name, value]) => {
    const found = own(metric.values, name)?.isShareOfRows
      ? { ...wilson(value, rows.length, settings.confidence), method: "wilson" as const }
      : samples.interval(name, value);
    if (typeof found !== "string") return [name, found] as const;
    reasons.set(found, [...(reasons.get(found) ?? []), name]);
    return [name, null] as const;
  });
  return {
    intervals: Object.fromEntries(intervals),
    notes: [...reasons].map(([reason, names]) => `No interval for ${names.join(", ")}: ${reason}.`),
  };
}

type Values = ReadonlyMap<string, readonly number[]>;

/** What the metric gives on samples of the rows, drawn once for all of its values, and only where one asks. */
class Samples<Measured> {
  #drawn: Values | undefined;
  #leftOut: Values | undefined;

  constructor(
    private readonly metric: OverRows<Measured>,
    private readonly rows: readonly Measured[],
    private readonly settings: Required<BootstrapOptions>,
    private readonly units: string,
  ) {}

  /** The interval, or why there is none. */
  interval(name: string, whole: number): ConfidenceInterval | string {
    if (!Number.isFinite(whole)) return "it is not a finite number";
    const { units, rows } = this;
    const { confidence, resamples } = this.settings;
    const tail = (1 - confidence) / 2;
    if (rows.length < FEWEST_ROWS)
      return `${rows.length} ${units} are too few for the bootstrap, which takes ${FEWEST_ROWS} or more`;
    if (resamples * tail < 1)
      return `${resamples} samples of the ${units} are too few for a confidence of ${confidence}`;
    const [drawn, leftOut] = this.#valuesOf(name);
    if (drawn === undefined || leftOut === undefined) return `it is undefined in too many samples of the ${units}`;
    if (shareAtEnds(drawn) > tail)
      return `too few ${units} differ in it, so that samples of them often agree on its highest or lowest value`;
    const found = bca({ whole, drawn, leftOut }, confidence);
    return found ? { ...found, method: "bca" } : `it lies beyond what all samples of the ${units} give`;
  }

  /** Each undefined where it has no value too often. */
  #valuesOf(name: string): (readonly number[] | undefined)[] {
    this.#drawn ??= this.#over(drawnRows(this.rows.length, this.settings));
    this.#leftOut ??= this.#over(leftOutRows(this.rows.length, this.settings));
    return [this.#drawn, this.#leftOut].map((values) => {
      const all = values.get(name) ?? [];
      const finite = all.filter(Number.isFinite);
      return areEnough(finite.length, all.length) && finite.length > 0 ? finite : undefined;
    });
  }

  /** Of each value what it is in every sample, NaN where it is nothing. */
  #over(samples: Iterable<Int32Array>): Values {
    const results = Array.from(samples, (drawn) => resultOfDrawn(this.metric, this.rows, drawn));
    const names = new Set(results.flatMap((result) => Object.keys(result)));
    return new Map([...names].map((name) => [name, results.map((result) => own(result, name) ?? Number.NaN)]));
  }
}

/** How many of the values are the highest, or the lowest if those are more, as a share. */
function shareAtEnds(values: readonly number[]): number {
  const [low = 0, high = 0] = extent(values);
  const shareOf = (end: number) => values.filter((value) => areAlike(value, end)).length / values.length;
  return Math.max(shareOf(low), shareOf(high));
}

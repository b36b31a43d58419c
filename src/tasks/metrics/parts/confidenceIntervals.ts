/** Confidence intervals of a metric's values: Wilson's for shares of examples, the BCa bootstrap for all others. */
import { extent, quantile } from "d3-array";
import { own } from "../../../base/index.js";
import type { Metric, OverRows } from "./metric.js";
import {
  areEnough,
  type BootstrapOptions,
  bootstrapSamples,
  checkBootstrap,
  jackknifeSamples,
  resultOfSample,
} from "./resampling.js";
import { type Interval, normalCdf, normalQuantile } from "./statistics.js";

/** A confidence interval and the method that computed it. */
export interface ConfidenceInterval extends Interval {
  readonly method: "wilson" | "bca";
}

/** The intervals of a metric's values. */
export interface ConfidenceIntervals {
  /** By the value's name; null if the examples allow none. */
  readonly intervals: Readonly<Record<string, ConfidenceInterval | null>>;
  /** Why values have no interval, one sentence for each reason. */
  readonly notes: readonly string[];
}

/** For fewer examples the bootstrap's coverage is clearly below its confidence level. */
const FEWEST_ROWS = 30;

/** BCa needs this many resamples (Efron 1987, § 9), since its percentiles lie further out than the plain bootstrap's. */
const RESAMPLES = 2000;
const MOST_RESAMPLES = 20_000;
/** An interval's ends are precise enough with this many resamples beyond each. */
const BEYOND = 10;

/** As many resamples as the confidence level needs, within limits. */
const resamplesFor = (tail: number): number => Math.min(Math.max(RESAMPLES, Math.ceil(BEYOND / tail)), MOST_RESAMPLES);

/**
 * Confidence intervals for every value of a metric. Whole examples are resampled: the words of a sentence, or the texts of a prompt, stay
 * together. A value other than a share of examples has no interval for fewer than 30 examples, nor if it is not finite over all examples or in
 * more than 5 % of the resamples (up to 5 % are left out). It also has none if more resamples than a tail holds share the highest or
 * lowest value, as when one example in thirty is wrong: coverage would be far too low.
 * @param units what an example is, for notes
 * @throws BidoraError `METRIC_ROWS` for no examples
 * @throws UsageError for options out of range
 */
export function confidenceIntervals<Measured>(
  metric: Pick<Metric<never, never, Measured>, "values" | "result">,
  examples: readonly Measured[],
  options: BootstrapOptions,
  units = "rows",
): ConfidenceIntervals {
  const { confidence } = checkBootstrap(options);
  const settings = checkBootstrap({ resamples: resamplesFor((1 - confidence) / 2), ...options });
  const samples = new Samples(metric, examples, settings, units);
  const reasons = new Map<string, string[]>();
  const intervals = Object.entries(metric.result(examples, examples)).map(([name, value]) => {
    const found = own(metric.values, name)?.isShareOfRows
      ? { ...wilson(value, examples.length, settings.confidence), method: "wilson" as const }
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

/** The metric over resamples of the examples. They are drawn when the first value needs them, and shared by all values. */
class Samples<Measured> {
  #drawn: Values | undefined;
  #leftOut: Values | undefined;

  constructor(
    private readonly metric: OverRows<Measured>,
    private readonly examples: readonly Measured[],
    private readonly settings: Required<BootstrapOptions>,
    private readonly units: string,
  ) {}

  /** The interval, or the reason why there is none. */
  interval(name: string, whole: number): ConfidenceInterval | string {
    if (!Number.isFinite(whole)) return "it is not a finite number";
    const { units, examples } = this;
    const { confidence, resamples } = this.settings;
    const tail = (1 - confidence) / 2;
    if (examples.length < FEWEST_ROWS)
      return `${examples.length} ${units} are too few for the bootstrap, which takes ${FEWEST_ROWS} or more`;
    if (resamples * tail < 1)
      return `${resamples} samples of the ${units} are too few for a confidence of ${confidence}`;
    const [drawn, leftOut] = this.#valuesOf(name);
    if (drawn === undefined || leftOut === undefined) return `it is undefined in too many samples of the ${units}`;
    if (shareAtEnds(drawn) > tail)
      return `too few ${units} differ in it, so many samples of the ${units} share its highest or lowest value`;
    const found = bca({ whole, drawn, leftOut }, confidence);
    return found ? { ...found, method: "bca" } : `it is outside the range of its values in all samples of the ${units}`;
  }

  /** The value over the bootstrap's and the jackknife's samples; undefined if too many samples have no value. */
  #valuesOf(name: string): (readonly number[] | undefined)[] {
    this.#drawn ??= this.#over(bootstrapSamples(this.examples.length, this.settings));
    this.#leftOut ??= this.#over(jackknifeSamples(this.examples.length, this.settings));
    return [this.#drawn, this.#leftOut].map((values) => {
      const all = values.get(name) ?? [];
      const finite = all.filter(Number.isFinite);
      return areEnough(finite.length, all.length) && finite.length > 0 ? finite : undefined;
    });
  }

  /** Each value over every sample, NaN for samples without it. */
  #over(samples: Iterable<Int32Array>): Values {
    const results = Array.from(samples, (drawn) => resultOfSample(this.metric, this.examples, drawn));
    const names = new Set(results.flatMap((result) => Object.keys(result)));
    return new Map([...names].map((name) => [name, results.map((result) => own(result, name) ?? Number.NaN)]));
  }
}

/** The larger share of the values that equal the highest, or the lowest. */
function shareAtEnds(values: readonly number[]): number {
  const [low = 0, high = 0] = extent(values);
  const shareOf = (end: number) => values.filter((value) => areAlike(value, end)).length / values.length;
  return Math.max(shareOf(low), shareOf(high));
}

/**
 * Wilson's score interval of a share (Wilson 1927, without continuity correction): the true shares that the normal approximation
 * does not reject. It stays within [0, 1], and has a width even if all or none of the examples are correct.
 */
export function wilson(share: number, count: number, confidence: number): Interval {
  const z = normalQuantile((1 + confidence) / 2);
  const shrinkage = 1 + z ** 2 / count;
  const center = (share + z ** 2 / (2 * count)) / shrinkage;
  const reach = (z / shrinkage) * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2));
  return { low: share === 0 ? 0 : center - reach, high: share === 1 ? 1 : center + reach };
}

/** A value over all examples, over bootstrap samples, and over jackknife samples. */
interface Resampled {
  readonly whole: number;
  readonly drawn: readonly number[];
  readonly leftOut: readonly number[];
}

/**
 * The bias-corrected and accelerated bootstrap interval (Efron 1987; Efron & Tibshirani 1993, § 14.3), as
 * `scipy.stats.bootstrap(method="BCa")`: percentiles of the bootstrap's values, shifted by the value's distance from their median
 * and by the jackknife's skewness. Undefined if the value is outside the range of the bootstrap's values: no percentile is left then.
 */
export function bca({ whole, drawn, leftOut }: Resampled, confidence: number): Interval | undefined {
  const bias = normalQuantile(shareBelow(drawn, whole));
  if (!Number.isFinite(bias)) return undefined;
  const acceleration = skewnessOver6(leftOut);
  const percentile = (share: number) => {
    const z = bias + normalQuantile(share);
    return normalCdf(bias + z / (1 - acceleration * z));
  };
  const tail = (1 - confidence) / 2;
  return { low: quantile(drawn, percentile(tail))!, high: quantile(drawn, percentile(1 - tail))! };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;

/** The share of the values below a value; equal ones count half. */
function shareBelow(values: readonly number[], value: number): number {
  return mean(values.map((other) => (areAlike(other, value) ? 0.5 : other < value ? 1 : 0)));
}

/** Whether two values are equal up to rounding: sums over examples differ by it with the examples' order and multiplicity. */
const areAlike = (a: number, b: number): boolean => Math.abs(a - b) <= ROUNDING * Math.max(Math.abs(a), Math.abs(b));

const ROUNDING = 1e-12;

/** 0 if all jackknife samples change the value alike. */
function skewnessOver6(leftOut: readonly number[]): number {
  const center = mean(leftOut);
  const changes = leftOut.map((value) => center - value);
  const spread = sum(changes.map((change) => change ** 2));
  return spread === 0 ? 0 : sum(changes.map((change) => change ** 3)) / (6 * spread ** 1.5);
}

// The runs of a comparison: seeds, conditions and results; the baselines that they recorded, and the variance of their scores.
import type { Findings, Metrics } from "./metrics.js";

/** Names a run of a comparison. */
export interface RunId {
  readonly task: string;
  readonly method: string;
  readonly seed: number;
  /** That of the rows and their order, if it has one of its own. */
  readonly dataSeed?: number;
}

/** Names a run's seeds: `seed-0`, or `seed-0-data-1`. Runs of one method on one task have one name each. */
export const seedsName = ({ seed, dataSeed }: Pick<RunId, "seed" | "dataSeed">): string =>
  dataSeed === undefined ? `seed-${seed}` : `seed-${seed}-data-${dataSeed}`;

/** The same in words. */
export const seedsText = ({ seed, dataSeed }: Pick<RunId, "seed" | "dataSeed">): string =>
  dataSeed === undefined ? `seed ${seed}` : `seed ${seed}, data seed ${dataSeed}`;

/** The seeds that such a name stands for; undefined for another name. */
export function seedsNamed(name: string): Pick<RunId, "seed" | "dataSeed"> | undefined {
  const [, seed, dataSeed] = /^seed-(\d+)(?:-data-(\d+))?$/.exec(name) ?? [];
  if (seed === undefined) return undefined;
  return { seed: Number(seed), ...(dataSeed !== undefined && { dataSeed: Number(dataSeed) }) };
}

/** What a run's scores and costs depend on beside the settings that it was given, with its name in tables. */
export const CONDITIONS = {
  processes: "Processes",
  rowsPerStep: "Rows per step",
  dtype: "dtype",
  baseDtype: "Base dtype",
  magnitudeAxis: "Magnitude axis",
  bidora: "Version of bidora",
  libtorch: "Version of libtorch",
  processor: "Processor",
} as const;

/** What is known of a run's conditions. Those that mean nothing for its method are left out. */
export type RunConditions = Readonly<Partial<Record<keyof typeof CONDITIONS, string | number>>>;

/** The results of a finished run. */
export interface ComparedRun extends RunId, Findings {
  readonly metrics: Metrics;
  readonly trainedParameters: number;
  /** All parameters of the model, trained or not; missing in files of earlier versions. */
  readonly totalParameters?: number;
  /** Wall time of the whole run. */
  readonly seconds: number;
  readonly peakMemoryBytes: number;
  readonly conditions?: RunConditions;
}

/**
 * What a method's score has to be read against. `majority`: the constant that the training rows' labels suggest. `start`: the model before
 * its first step.
 */
export const BASELINES = ["majority", "start"] as const;

/** A baseline's score: the mean over the runs that recorded it. */
export interface BaselineScore {
  readonly task: string;
  readonly baseline: (typeof BASELINES)[number];
  readonly metric: string;
  readonly value: number;
}

/** The components of the variance of a method's scores, where each seed was combined with each data seed. */
export interface VarianceEntry {
  readonly task: string;
  readonly method: string;
  readonly metric: string;
  readonly seeds: number;
  readonly dataSeeds: number;
  /** Between data seeds, between seeds, and the rest, as estimated: an estimate can be negative. */
  readonly dataSeed: number;
  readonly seed: number;
  readonly residual: number;
  /** Of a run's score over other test rows; null where the rows do not say it. */
  readonly rows: number | null;
}

// How much of the variance of a method's scores comes from the rows' seed, and how much from the seed of the rest.
import { mean } from "./summary.js";

/** Components of the variance of one score. An estimate is negative where chance made the differences smaller than the residual explains. */
export interface VarianceComponents {
  /** Between data seeds: which rows are taken, held out or split, and their order. */
  readonly dataSeed: number;
  /** Between seeds: initial values and dropout. */
  readonly seed: number;
  /** The rest: what depends on both together, and what the machine varies. */
  readonly residual: number;
}

/**
 * The components of a two-way crossed random-effects layout with one score a cell, y_ds = μ + a_d + b_s + e_ds, by the method of moments
 * (ANOVA estimators; Searle, Casella & McCulloch 1992, *Variance Components*, § 4.3): the expected mean squares are σ²_e + S·σ²_a between
 * data seeds, σ²_e + D·σ²_b between seeds, and σ²_e for what is left.
 * @param scores [data seeds][seeds], at least two of each
 */
export function varianceComponents(scores: readonly (readonly number[])[]): VarianceComponents {
  const [rows, columns] = [scores.length, scores[0]!.length];
  const ofRow = scores.map(mean);
  const ofColumn = scores[0]!.map((_, column) => mean(scores.map((row) => row[column]!)));
  const center = mean(ofRow);
  const squares = (values: readonly number[]) => values.length * mean(values.map((value) => value ** 2));
  const betweenRows = (columns * squares(ofRow.map((value) => value - center))) / (rows - 1);
  const betweenColumns = (rows * squares(ofColumn.map((value) => value - center))) / (columns - 1);
  const left = scores.flatMap((row, i) => row.map((value, j) => value - ofRow[i]! - ofColumn[j]! + center));
  const residual = squares(left) / ((rows - 1) * (columns - 1));
  return { dataSeed: (betweenRows - residual) / columns, seed: (betweenColumns - residual) / rows, residual };
}

/** The scores as [data seeds][seeds]; undefined unless there are at least two of each, and a score for each of their pairs. */
export function crossedScores(
  runs: readonly { readonly seed: number; readonly dataSeed?: number; readonly score: number }[],
): number[][] | undefined {
  const sorted = (values: readonly number[]) => [...new Set(values)].sort((a, b) => a - b);
  const seeds = sorted(runs.map(({ seed }) => seed));
  const dataSeeds = sorted(runs.flatMap(({ dataSeed }) => dataSeed ?? []));
  if (seeds.length < 2 || dataSeeds.length < 2) return undefined;
  const scores = dataSeeds.map((dataSeed) =>
    seeds.flatMap((seed) => runs.find((run) => run.seed === seed && run.dataSeed === dataSeed)?.score ?? []),
  );
  return scores.every(({ length }) => length === seeds.length) ? scores : undefined;
}

import { evenSizes } from "../common/collections.js";
import type { RunConfig } from "../config/index.js";
import { batchesPerPass, foldsForSearch, splitForSearch } from "../data/index.js";
import type { EncodedRow } from "../tasks/index.js";
import { type BatchOptions, type BatchSource, BatchStream, stepsOf } from "./batches.js";
import { examplesOf } from "./evaluation.js";
import { StretchedStream } from "./stretchedStream.js";

type Rows = readonly EncodedRow[];

/** A run's settings, and the device of its batches. */
type SearchSettings = RunConfig & Pick<BatchOptions, "device">;

/** What the two levels of a search take, and how many steps it has. */
export interface SearchBatches {
  readonly lower: BatchSource;
  readonly upper: BatchSource;
  readonly steps: number;
}

/**
 * Whose rows are whose in a search: split once, or in folds that take turns. The split is one of whole examples: rows that are pieces
 * of one must not be on both levels.
 * @throws UsageError where a level would have no batch, and for more folds than examples
 */
export function searchBatches(rows: Rows, settings: SearchSettings): SearchBatches {
  const examples = [...examplesOf(rows)];
  const pick = (indices: readonly number[]) => indices.flatMap((index) => examples[index] as Rows);
  const { searchFraction: fraction, searchFolds: folds, shuffle, seed } = settings;
  if (folds !== undefined)
    return inTurns(foldsForSearch(examples.length, { folds, shuffle, seed }).map(pick), settings);
  const split = splitForSearch(examples.length, { fraction, shuffle, seed });
  const lower = new BatchStream(pick(split.lower), settings);
  const upper = new BatchStream(pick(split.upper), settings);
  return {
    lower,
    upper,
    steps: settings.maxSteps ?? stepsOf(settings.epochs, lower.batchesPerPass, perStep(settings)),
  };
}

/**
 * The steps are cut into as many stretches as there are folds, as equal as possible. In each stretch another fold is the upper
 * level's, and all others are the lower level's: no row is lost to the directions, each serves the magnitudes. With fewer steps
 * than folds the last folds' turns don't come.
 *
 * Stretches, and not another fold at each step, since the upper loss is to say how the directions do on rows that they are not
 * being fitted to. In T-fold cross-validation as a bilevel problem (Bennett, Hu, Ji, Kunapuli & Pang, "Model selection via bilevel
 * optimization", IJCNN 2006) each fold has a lower problem of its own; here one set of directions has to do for all. Were the fold
 * another one at each step, its rows would have been trained on the step before, and the upper loss would be one more training
 * loss; in a stretch they rest for T/K steps. The optimisers' memories, too, average over gradients of one objective then.
 */
function inTurns(folds: readonly Rows[], settings: SearchSettings): SearchBatches {
  const { batchSize, dropLast, gradientAccumulation } = settings;
  const total = folds.reduce((sum, { length }) => sum + length, 0);
  const passes = folds.map(({ length }) => batchesPerPass({ rows: total - length, batchSize, dropLast }));
  // An epoch is as many batches as a pass has over the lower level's rows, on an average over the stretches.
  const batches = passes.reduce((sum, count) => sum + count, 0);
  const steps = settings.maxSteps ?? stepsOf(settings.epochs, batches, perStep(settings) * folds.length);
  const sizes = evenSizes(steps, folds.length);
  const others = (k: number) => folds.flatMap((fold, i) => (i === k ? [] : fold));
  const lower = folds.map(({ length }, k) => ({
    rowCount: total - length,
    rows: () => others(k),
    batches: (sizes[k] as number) * perStep(settings),
  }));
  const upper = folds.map((fold, k) => ({
    rowCount: fold.length,
    rows: () => fold,
    batches: (sizes[k] as number) * gradientAccumulation,
  }));
  return { lower: new StretchedStream(lower, settings), upper: new StretchedStream(upper, settings), steps };
}

/** Batches that the lower level takes in a search step. */
const perStep = ({ unrollSteps, gradientAccumulation }: RunConfig): number => unrollSteps * gradientAccumulation;

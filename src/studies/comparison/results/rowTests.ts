// The paired bootstrap over the rows that runs predicted.
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { BidoraError, type CallContext, formatCount, formatSeconds, own } from "../../../base/index.js";
import {
  type BootstrapTest,
  bareMetric,
  PREDICTIONS,
  type PredictedRow,
  readPredictions,
  seedsName,
} from "../../../base/records/index.js";
import { type MeasuredExamples, partWith } from "../../../tasks/metrics/parts/index.js";
import { withHolm } from "../../statistics/holm.js";
import { differenceOf, type Resampled, resampled, resamplesFor } from "../../statistics/pairedBootstrap.js";
import { everyTwo } from "../../statistics/pairedScores.js";
import { mean } from "../../statistics/summary.js";
import type { CollectedRun } from "./collectRuns.js";
import type { Scoring } from "./scoring.js";

/**
 * The paired bootstrap of every two methods on one task, over the rows that all their runs predicted. A row is drawn with the predictions
 * of all common seeds, and the metric is the mean over these seeds, which equals the table's if no run is left out. All tests of the task
 * have the same number of resamples.
 * @param runs of the task
 * Notes are on slow tests, and on tests that are left out.
 */
export function rowTests(
  task: string,
  methods: readonly string[],
  runs: readonly PredictedRun[],
  scoring: Scoring,
  context: CallContext = {},
): BootstrapTest[] {
  const { main } = scoring;
  const sides = runs.flatMap((one) => (methods.includes(one.run.method) ? (sideOf(one, scoring) ?? []) : []));
  const pairs = pairsOf(methods, sides);
  if (pairs.length === 0) return [];
  const options = { resamples: resamplesFor(pairs.length), confidence: 0.95, seed: 0 };
  const onDrawn = slowNote(task, options.resamples, context);
  const found = resampled(bareMetric(main.name), sides, options, onDrawn);
  const drawn = new Map(sides.map((side, i) => [side, main.goal === "minimize" ? negated(found[i]!) : found[i]!]));
  const meanOver = meansOf((side: Side) => drawn.get(side)!);
  const testOf = (pair: Pair): Omit<BootstrapTest, "pHolm"> => {
    const { difference, ...rest } = differenceOf(main.name, meanOver(pair.a), meanOver(pair.b), options);
    const { resamples, confidence } = options;
    return {
      ...pairFacts(pair, main.name, runs),
      statistic: difference,
      ...rest,
      confidence,
      resamples,
      test: "bootstrap",
      task,
    };
  };
  const results = pairs.map((pair) => orWhyNot(() => testOf(pair)));
  for (const why of new Set(results.filter((result) => typeof result === "string")))
    context.onNote?.(`The bootstrap over the rows of ${task} is left out: ${why}`);
  return withHolm(results.filter((result) => typeof result !== "string"));
}

/** A metric of which less is better, as one of which more is: a difference is positive where the first method is better. */
const negated = ({ whole, drawn }: Resampled): Resampled => ({ whole: -whole, drawn: drawn.map((value) => -value) });

/** What is compared: the methods, and the rows and runs behind their scores. */
function pairFacts({ a, b }: Pair, metric: string, runs: readonly PredictedRun[]) {
  const [one, other] = [a[0]!.method, b[0]!.method];
  return {
    a: one,
    b: other,
    metric,
    population: "rows of this task",
    pairs: a[0]!.measured.length,
    differing: differingRows(a, b),
    unmatched: runs.filter(({ run: { method } }) => method === one || method === other).length - 2 * a.length,
  } as const;
}

/** A test's result, or the reason if its metric is undefined for too many resamples: that must not hide the other results. */
function orWhyNot<T>(test: () => T): T | string {
  try {
    return test();
  } catch (error) {
    if (error instanceof BidoraError && error.code === "METRIC_NOT_FINITE") return error.message;
    throw error;
  }
}

interface Side extends MeasuredExamples {
  readonly method: string;
  /** The name of its seeds. */
  readonly seed: string;
}

/** Undefined if fewer than two rows were predicted. */
function sideOf({ run, rows }: PredictedRun, { metric, main }: Scoring): Side | undefined {
  if (rows.length < 2) return undefined;
  const measured = rows.map(({ reference, prediction }, i) => metric.measure(reference, prediction as object, i + 1));
  return { method: run.method, seed: seedsName(run), ...partWith(bareMetric(main.name), { metric, measured }) };
}

interface Pair {
  readonly a: readonly Side[];
  readonly b: readonly Side[];
}

/** Every two methods that have seeds in common, with their runs with these seeds. */
function pairsOf(methods: readonly string[], sides: readonly Side[]): Pair[] {
  return everyTwo(methods).flatMap(([one, other]) => {
    const bySeed = new Map(sides.filter(({ method }) => method === other).map((side) => [side.seed, side]));
    const a = sides.filter(({ method, seed }) => method === one && bySeed.has(seed));
    return a.length === 0 ? [] : { a, b: a.map(({ seed }) => bySeed.get(seed)!) };
  });
}

/** The mean over runs, of all rows and of each resample; computed once for runs that are in several pairs. */
function meansOf(drawnOf: (side: Side) => Resampled): (sides: readonly Side[]) => Resampled {
  const known = new Map<string, Resampled>();
  return (sides) => {
    const key = JSON.stringify(sides.map(({ method, seed }) => [method, seed]));
    const found = known.get(key) ?? meanOf(sides.map(drawnOf));
    known.set(key, found);
    return found;
  };
}

function meanOf(each: readonly Resampled[]): Resampled {
  const [{ drawn }] = each as readonly [Resampled];
  return {
    whole: mean(each.map(({ whole }) => whole)),
    drawn: drawn.map((_, i) => mean(each.map((one) => one.drawn[i]!))),
  };
}

/** The number of rows that the runs of two methods predict differently, with at least one seed. */
const differingRows = (a: readonly Side[], b: readonly Side[]): number =>
  a[0]!.measured.filter((_, row) =>
    a.some(({ measured: rows }, run) => !isDeepStrictEqual(rows[row], b[run]!.measured[row])),
  ).length;

/** Seconds after which a note says how long the test takes. */
const SLOW = 5;

function slowNote(task: string, resamples: number, { onNote }: CallContext): (done: number) => void {
  // Measured from the first resample, since there is one-time work before it.
  let start: number | undefined;
  let isSaid = false;
  return (done) => {
    start ??= performance.now();
    const seconds = (performance.now() - start) / 1000;
    if (isSaid || seconds < SLOW) return;
    isSaid = true;
    const left = formatSeconds((seconds / (done - 1)) * (resamples - done));
    onNote?.(`The bootstrap over the rows of ${task} draws ${formatCount(resamples)} resamples: about ${left} left.`);
  };
}

/** A run with its prediction for each scored row; no rows if it has no such score. */
export interface PredictedRun {
  readonly run: CollectedRun;
  readonly rows: readonly PredictedRow[];
}

/**
 * The predictions of a task's runs for its scored rows. All runs must have the same rows: scores on different rows can't be compared.
 * @throws BidoraError `COMPARISON` naming two runs with different rows, or a run whose predictions are missing
 */
export async function readPredictedRuns(
  runs: readonly CollectedRun[],
  { main, split }: Scoring,
): Promise<PredictedRun[]> {
  const found: PredictedRun[] = [];
  for (const run of runs) {
    const isScored = own(run.metrics, main.name) !== undefined;
    found.push({ run, rows: isScored ? await rowsIn(run.folder, split) : [] });
  }
  const [first, ...others] = found;
  for (const other of others) refuseOthers(first as PredictedRun, other);
  return found;
}

async function rowsIn(folder: string, split: Scoring["split"]): Promise<readonly PredictedRow[]> {
  const found = await readPredictions(folder, split);
  if (found && found.broken === 0) return found.rows;
  const why = found ? `has ${found.broken} unreadable lines` : "is missing";
  throw new BidoraError(
    "COMPARISON",
    `${join(folder, PREDICTIONS[split])}, which holds the run's prediction for each row, ${why}: restore it, or remove the run's folder and run it again.`,
  );
}

function refuseOthers({ run: one, rows: ours }: PredictedRun, { run: other, rows: theirs }: PredictedRun): void {
  const place = ours.findIndex((row, i) => identityOf(row) !== identityOf(theirs[i]));
  if (place === -1 && ours.length === theirs.length) return;
  const what = ours.length === theirs.length ? `row ${place + 1} differs` : `${ours.length} and ${theirs.length}`;
  throw new BidoraError(
    "COMPARISON",
    `${one.folder} and ${other.folder} were scored on different rows (${what}), so their scores can't be compared: take one of them out of the comparison, or run it again.`,
  );
}

/**
 * Identifies a row by its line and its reference (its text if it has no reference), and by the number of scored tokens for a language model.
 * The file's name may differ from machine to machine.
 */
const identityOf = (row: PredictedRow | undefined): string | undefined =>
  row && JSON.stringify([row.line, row.reference ?? row.text, scoredTokens(row.prediction)]);

const scoredTokens = (prediction: PredictedRow["prediction"]): unknown =>
  "loss" in prediction && "tokens" in prediction ? prediction.tokens : undefined;

// The tests over the rows that runs predicted: over seeds and rows, with equivalence, and over rows alone.
import { isDeepStrictEqual } from "node:util";
import { group } from "d3-array";
import { BidoraError, type CallContext, formatCount, formatSeconds } from "../../../base/index.js";
import {
  bareMetric,
  type ComparedMetric,
  type ComparedRun,
  type MethodPair,
  type RowTest,
  seedsName,
} from "../../../base/records/index.js";
import { type MeasuredExamples, partWith, percentiles } from "../../../tasks/metrics/parts/index.js";
import { type Uncorrected, withHolm } from "../../statistics/holm.js";
import { differenceOf, judged, type Resampled, resampled, resamplesFor } from "../../statistics/pairedBootstrap.js";
import { resultsOf, testedPairs } from "../../statistics/pairedScores.js";
import { meanOverRuns, type OverRuns, twoLevelDifferences } from "../../statistics/twoLevel.js";
import type { PredictedRun } from "./predictedRuns.js";
import { lossOfRows, type Scoring } from "./scoring.js";

export interface RowTestOptions extends CallContext {
  /** Methods whose main metric differs by less are equivalent; by default this is not tested. */
  readonly margin?: number | undefined;
  /** The methods to test; by default every two. */
  readonly tested?: readonly MethodPair[] | undefined;
  /** How many tests of the comparison are corrected together, if more than here. */
  readonly family?: number;
}

type Test = Uncorrected<RowTest>;
const KINDS: readonly Test["test"][] = ["two-level", "equivalence", "bootstrap"];

/**
 * The tests of two methods each on one task, over the rows that all their runs predicted. A row is drawn with the predictions of all
 * common seeds, and the metric is the mean over these seeds, which equals the table's if no run is left out. The main metric is tested
 * over rows and, with several common seeds, over seeds and rows; the loss, where runs kept it for each row, over seeds and rows.
 * @param runs of the task
 * Notes are on slow tests, and on tests that are left out.
 */
export function rowTests(
  task: string,
  methods: readonly string[],
  runs: readonly PredictedRun[],
  scoring: Scoring,
  { margin, tested, family = 1, ...context }: RowTestOptions = {},
): Test[] {
  const compared = runs.filter(({ run, rows }) => methods.includes(run.method) && rows.length > 1);
  const testsOf = (metric: ComparedMetric, sides: readonly Side[], ofPair: PairTests) =>
    testsOfMetric(
      { task, metric, sides, pairs: pairsOf(testedPairs(methods, tested), sides), runs, family, context },
      ofPair,
    );
  const { main, loss } = scoring;
  const sides = compared.map((one) => sideOf(one, scoring));
  const isKnown = areKnown(sides);
  if (!isKnown) context.onNote?.(`${main.name} on ${task} is not tested over rows, because it is no mean over them.`);
  const ofMain = isKnown ? testsOf(main, sides, (given) => [...overSeedsAndRows(given, margin), overRows(given)]) : [];
  if (margin !== undefined && isKnown && !ofMain.some(({ test }) => test === "equivalence"))
    context.onNote?.(`No methods are tested for equivalence on ${task}: this needs two that have two seeds in common.`);
  const losses = loss && compared.map((one) => lossSide(one, loss));
  const ofLoss = loss && losses && areKnown(losses) ? testsOf(loss, losses, overSeedsAndRows) : [];
  if (losses?.includes(undefined) && ofMain.some(({ test }) => test === "two-level"))
    context.onNote?.(`The loss on ${task} is not tested, because its runs kept no loss of each row.`);
  return KINDS.flatMap((kind) => [...ofMain, ...ofLoss].filter(({ test }) => test === kind));
}

const areKnown = (sides: readonly (Side | undefined)[]): sides is readonly Side[] => !sides.includes(undefined);

/** The tests of all tasks, with the p-values that are corrected within their families. */
export function corrected(tests: readonly Test[]): RowTest[] {
  const [sure, others] = [
    tests.filter((one) => one.test === "equivalence"),
    tests.filter((one) => one.test !== "equivalence"),
  ];
  return KINDS.flatMap((kind) => [...withHolm(others), ...sure].filter(({ test }) => test === kind)) as RowTest[];
}

/** A metric of the runs of a task. */
interface Scored {
  readonly task: string;
  readonly metric: ComparedMetric;
  readonly sides: readonly Side[];
  readonly pairs: readonly Pair[];
  readonly runs: readonly PredictedRun[];
  readonly family: number;
  readonly context: CallContext;
}

type PairTests = (given: Given) => readonly Test[];

function testsOfMetric({ task, metric, sides, pairs, runs, family, context }: Scored, ofPair: PairTests): Test[] {
  if (pairs.length === 0) return [];
  const options = { resamples: resamplesFor(Math.max(family, pairs.length)), confidence: 0.95, seed: 0 };
  const onDrawn = slowNote(task, options.resamples, context);
  const found = resampled(bareMetric(metric.name), sides, options, onDrawn);
  const drawn = new Map(sides.map((side, i) => [side, signed({ ...found[i]!, ...side.scored }, metric)]));
  const meanOver = meansOf((side: Side) => drawn.get(side)!);
  const results = pairs.map((pair) =>
    orWhyNot(() =>
      ofPair({
        ...{ name: metric.name, options, seeds: pair.a.length },
        facts: { ...pairFacts(pair, metric.name, runs), task, resamples: options.resamples },
        a: meanOver(pair.a),
        b: meanOver(pair.b),
      }),
    ),
  );
  for (const why of new Set(results.filter((result) => typeof result === "string")))
    context.onNote?.(`The bootstrap over the rows of ${task} is left out: ${why}`);
  return results.filter((result) => typeof result !== "string").flat();
}

/** A metric of which less is better, as one of which more is: a difference is positive where the first method is better. */
const signed = ({ whole, drawn }: Resampled, { goal }: ComparedMetric): Resampled =>
  goal === "maximize" ? { whole, drawn } : { whole: -whole, drawn: drawn.map((value) => -value) };

/** Two methods' values over the same resamples, and what is known of the pair. */
interface Given {
  readonly name: string;
  readonly options: { readonly resamples: number; readonly confidence: number; readonly seed: number };
  readonly seeds: number;
  readonly facts: ReturnType<typeof pairFacts> & { readonly task: string; readonly resamples: number };
  readonly a: OverRuns;
  readonly b: OverRuns;
}

function overRows({ name, options, facts, a, b }: Given): Test {
  const { difference, ...rest } = differenceOf(name, a, b, options);
  const { confidence } = options;
  return { ...facts, population: "rows of this task", test: "bootstrap", statistic: difference, ...rest, confidence };
}

/** Two one-sided tests at 5 % are an interval of 90 %. */
const OF_EQUIVALENCE = 0.9;

/** None for a single seed, which says nothing about others. */
function overSeedsAndRows({ name, options, seeds, facts, a, b }: Given, margin?: number): Test[] {
  if (seeds < 2) return [];
  const found = twoLevelDifferences(name, a, b, options);
  const shared = { ...facts, population: "seeds and rows of this task", seeds } as const;
  const { confidence } = options;
  const test: Test = { ...shared, test: "two-level", ...judged(found, options), confidence };
  if (margin === undefined) return [test];
  const { low, high } = percentiles(found.drawn, OF_EQUIVALENCE);
  const equivalent = -margin < low && high < margin;
  const { difference } = found;
  const ends = { difference, low, high, margin, equivalent, confidence: OF_EQUIVALENCE };
  return [test, { ...shared, test: "equivalence", ...ends }];
}

/** What is compared: the methods, and the rows and runs behind their scores. */
function pairFacts({ a, b, repeated }: Pair, metric: string, runs: readonly PredictedRun[]) {
  const [one, other] = [a[0]!.method, b[0]!.method];
  return {
    a: one,
    b: other,
    metric,
    pairs: a[0]!.measured.length,
    differing: differingRows(a, b),
    unmatched:
      runs.filter(({ run: { method } }) => method === one || method === other).length - 2 * (a.length + repeated),
    ...(repeated > 0 && { repeated }),
  };
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

export interface Side extends MeasuredExamples {
  readonly method: string;
  /** The name of its seeds. */
  readonly seed: string;
  /** As `resultsOf`. */
  readonly results: string | undefined;
  /** The value over all rows, if the run has it more exactly than its rows. */
  readonly scored?: Pick<Resampled, "whole">;
}

/** The main metric of a run; undefined if it is computed from what the run did not keep. */
export function sideOf({ run, rows }: PredictedRun, scoring: Scoring): Side | undefined {
  const { main, isMeanOfRows, metricsOfRuns } = scoring;
  if (isMeanOfRows) return lossSide({ run, rows }, main);
  const metric = metricsOfRuns?.get(run.folder) ?? scoring.metric;
  const measured = rows.map(({ reference, prediction }, i) => metric.measure(reference, prediction as object, i + 1));
  return { ...placeOf(run), ...partWith(bareMetric(main.name), { metric, measured }) };
}

/** The loss of a run; undefined if it did not keep it for each row, as runs of earlier versions. */
export function lossSide({ run, rows }: PredictedRun, { name }: ComparedMetric): Side | undefined {
  const measured = rows.flatMap(({ loss, weight = 1 }) => (loss === undefined ? [] : { loss, weight }));
  const whole = run.metrics[name];
  if (measured.length < rows.length || whole === undefined) return undefined;
  return { ...placeOf(run), metric: lossOfRows, measured, scored: { whole } };
}

const placeOf = (run: ComparedRun) => ({ method: run.method, seed: seedsName(run), results: resultsOf(run) });

interface Pair {
  readonly a: readonly Side[];
  readonly b: readonly Side[];
  /** How many pairs of runs are left out since they are equal to those of another seed. */
  readonly repeated: number;
}

/** The pairs of methods that have seeds in common, with their runs with these seeds, of equal ones the first. */
function pairsOf(tested: readonly MethodPair[], sides: readonly Side[]): Pair[] {
  return tested.flatMap(([one, other]) => {
    const bySeed = new Map(sides.filter(({ method }) => method === other).map((side) => [side.seed, side]));
    const all = sides.filter(({ method, seed }) => method === one && bySeed.has(seed));
    const alike = group(all, ({ results, seed }) => {
      const others = bySeed.get(seed)!.results;
      return results === undefined || others === undefined ? seed : `${results} ${others}`;
    });
    const a = [...alike.values()].map(([first]) => first!);
    return a.length === 0 ? [] : { a, b: a.map(({ seed }) => bySeed.get(seed)!), repeated: all.length - a.length };
  });
}

/** The mean over runs, of all rows and of each resample; computed once for runs that are in several pairs. */
function meansOf(drawnOf: (side: Side) => Resampled): (sides: readonly Side[]) => OverRuns {
  const known = new Map<string, OverRuns>();
  return (sides) => {
    const key = JSON.stringify(sides.map(({ method, seed }) => [method, seed]));
    const found = known.get(key) ?? meanOverRuns(sides.map(drawnOf));
    known.set(key, found);
    return found;
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

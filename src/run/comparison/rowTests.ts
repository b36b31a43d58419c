import { own } from "../../common/own.js";
import { withHolm } from "../../compare/holm.js";
import { mean } from "../../compare/moments.js";
import { pairedBootstrap } from "../../compare/pairedBootstrap.js";
import type { BootstrapTest } from "../../compare/significance.js";
import type { OverRows } from "../../metrics/metric.js";
import type { JudgedRun } from "./judgedRuns.js";
import type { Judging } from "./judging.js";

/** A row as both seeds and methods have judged it: what was measured of it in each run. */
type Measured = readonly unknown[];

/**
 * The paired bootstrap of every two methods on one task, over the rows that all their runs have judged: a row is drawn with what
 * the runs of all common seeds said of it.
 * @param runs of the task
 */
export function rowTests(
  task: string,
  methods: readonly string[],
  runs: readonly JudgedRun[],
  judging: Judging,
): BootstrapTest[] {
  const measured = new Map(methods.map((method) => [method, measuredBySeed(method, runs, judging)]));
  const pairs = methods.flatMap((a, i) => methods.slice(i + 1).map((b) => [a, b] as const));
  const tests = pairs.flatMap(([a, b]) => testOf(task, [a, b], [measured.get(a), measured.get(b)], judging));
  return withHolm<Omit<BootstrapTest, "pHolm">>(tests);
}

function testOf(
  task: string,
  [a, b]: readonly [string, string],
  [left, right]: readonly [ReadonlyMap<number, Measured> | undefined, ReadonlyMap<number, Measured> | undefined],
  { metric, main, prefix }: Judging,
): Omit<BootstrapTest, "pHolm">[] {
  const seeds = [...(left?.keys() ?? [])].filter((seed) => right?.has(seed));
  const [ofA, ofB] = [rowsOf(left, seeds), rowsOf(right, seeds)];
  if (ofA.length < 2 || ofA.length !== ofB.length) return [];
  const { difference, p, low, high } = pairedBootstrap(overSeeds(metric), main.name.slice(prefix.length), ofA, ofB, {
    confidence: CONFIDENCE,
    seed: 0,
  });
  return [{ a, b, metric: main.name, pairs: ofA.length, statistic: difference, p, low, high, test: "bootstrap", task }];
}

const CONFIDENCE = 0.95;

/** By row, what the runs of these seeds said of it; none where they have not judged the same rows. */
function rowsOf(bySeed: ReadonlyMap<number, Measured> | undefined, seeds: readonly number[]): Measured[] {
  const each = seeds.map((seed) => bySeed?.get(seed) ?? []);
  const [first] = each;
  if (!first || each.some(({ length }) => length !== first.length)) return [];
  return first.map((_, row) => each.map((rows) => rows[row]));
}

/**
 * The mean over runs of the metric of rows that hold a measurement of each run, as the table has it: of correlations and the like it
 * is another than that of all runs' rows together.
 */
export const overSeeds = (metric: OverRows<unknown>): OverRows<Measured> => {
  const corpora = new WeakMap<readonly Measured[], readonly (readonly unknown[])[]>();
  const byRun = (rows: readonly Measured[]) => (rows[0] ?? []).map((_, run) => rows.map((row) => row[run]));
  const corpusOf = (rows: readonly Measured[]) => {
    const known = corpora.get(rows) ?? byRun(rows);
    corpora.set(rows, known);
    return known;
  };
  return {
    result: (rows, corpus = rows) => {
      const whole = corpusOf(corpus);
      const results = (rows === corpus ? whole : byRun(rows)).map((rowsOfRun, run) =>
        metric.result(rowsOfRun, whole[run]),
      );
      const names = Object.keys(results[0] ?? {});
      return Object.fromEntries(names.map((name) => [name, mean(results.map((of) => own(of, name) ?? Number.NaN))]));
    },
  };
};

function measuredBySeed(
  method: string,
  runs: readonly JudgedRun[],
  { metric }: Judging,
): ReadonlyMap<number, Measured> {
  const judged = runs.filter(({ run }) => run.method === method);
  return new Map(
    judged.map(({ run: { seed }, rows }) => [
      seed,
      rows.map(({ reference, prediction }, i) => metric.measure(reference, prediction as object, i + 1)),
    ]),
  );
}
